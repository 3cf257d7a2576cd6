package policy

import "slices"

// Covers reports whether one of the patterns fits everything that a text stands for,
// such as an action or a principal; a "*" in the text stands for anything. [fact 51]
func Covers(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, text) })
}

// CoversName is Covers for names of resources, which are read part by part.
func CoversName(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return coversName(p, name) })
}

// Touches reports whether one of the patterns could fit anything that a text stands
// for, in whatever case.
func Touches(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return touches(fold(p), fold(text)) })
}

// TouchesName is Touches for names of resources.
func TouchesName(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return touchesName(fold(p), fold(name)) })
}
