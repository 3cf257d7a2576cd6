package replication_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A schemaNode is one schema of the published one, which uses few keywords.
type schemaNode map[string]any

// notes are the keywords that decide nothing about a value.
var notes = []string{"$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "format"}

// check returns what is wrong with v, or "". A keyword that it does not know is
// wrong too, so that none goes unchecked.
func (s schemaNode) check(root schemaNode, v any) string {
	for k, arg := range s {
		if slices.Contains(notes, k) {
			continue
		}
		rule, known := keywords[k]
		if !known {
			return "unknown keyword " + k
		}
		if problem := rule(root, s, arg, v); problem != "" {
			return k + ": " + problem
		}
	}
	return ""
}

func sub(v any) schemaNode { return schemaNode(v.(map[string]any)) }

// resolve follows a $ref.
func (s schemaNode) resolve(root schemaNode) schemaNode {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	n := root
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		n = sub(n[part])
	}
	return n
}

func problemIf(is bool, format string, args ...any) string {
	if !is {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

type keyword func(root, s schemaNode, arg, v any) string

var keywords map[string]keyword

func init() { // the keywords refer to each other through check
	keywords = map[string]keyword{
		"$ref": func(root, s schemaNode, _, v any) string { return s.resolve(root).check(root, v) },
		"type": func(_, _ schemaNode, arg, v any) string {
			return problemIf(typeOf(v) != arg, "%v is not of type %v", v, arg)
		},
		"const": func(_, _ schemaNode, arg, v any) string {
			return problemIf(!reflect.DeepEqual(arg, v), "%v is not %v", v, arg)
		},
		"enum": func(_, _ schemaNode, arg, v any) string {
			return problemIf(!slices.Contains(arg.([]any), v), "%v is not one of %v", v, arg)
		},
		"pattern": func(_, _ schemaNode, arg, v any) string {
			text, ok := v.(string)
			return problemIf(ok && !regexp.MustCompile(arg.(string)).MatchString(text), "%v does not match %v", v, arg)
		},
		"minLength": func(_, _ schemaNode, arg, v any) string {
			text, ok := v.(string)
			return problemIf(ok && float64(utf8.RuneCountInString(text)) < arg.(float64), "it is too short")
		},
		"maxLength": func(_, _ schemaNode, arg, v any) string {
			text, ok := v.(string)
			return problemIf(ok && float64(utf8.RuneCountInString(text)) > arg.(float64), "it is too long")
		},
		"maxItems": func(_, _ schemaNode, arg, v any) string {
			list, ok := v.([]any)
			return problemIf(ok && float64(len(list)) > arg.(float64), "there are too many")
		},
		"minItems": func(_, _ schemaNode, arg, v any) string {
			list, ok := v.([]any)
			return problemIf(ok && float64(len(list)) < arg.(float64), "there are too few")
		},
		"contains": func(root, _ schemaNode, arg, v any) string {
			list, ok := v.([]any)
			has := slices.ContainsFunc(list, func(e any) bool { return sub(arg).check(root, e) == "" })
			return problemIf(ok && !has, "none is what one has to be")
		},
		"uniqueItems": func(_, _ schemaNode, _, v any) string { return problemIf(doubled(v), "one is there twice") },
		"items":       checkItems,
		"required":    checkRequired,
		"properties":  checkProperties,
		"additionalProperties": func(_, s schemaNode, arg, v any) string {
			object, _ := v.(map[string]any)
			for name := range object {
				if _, known := sub(s["properties"])[name]; !known && arg == false {
					return "there is no " + name
				}
			}
			return ""
		},
		"not": func(root, _ schemaNode, arg, v any) string {
			return problemIf(sub(arg).check(root, v) == "", "%v is what it must not be", v)
		},
		"allOf": func(root, _ schemaNode, arg, v any) string {
			for _, one := range arg.([]any) {
				if p := sub(one).check(root, v); p != "" {
					return p
				}
			}
			return ""
		},
		"propertyNames": func(root, _ schemaNode, arg, v any) string {
			object, _ := v.(map[string]any)
			for name := range object {
				if p := sub(arg).check(root, name); p != "" {
					return p
				}
			}
			return ""
		},
		"if": func(root, s schemaNode, arg, v any) string {
			if sub(arg).check(root, v) != "" {
				return ""
			}
			return sub(s["then"]).check(root, v)
		},
		"then": func(_, _ schemaNode, _, _ any) string { return "" }, // with "if"
	}
}

func checkItems(root, _ schemaNode, arg, v any) string {
	list, _ := v.([]any)
	for i, e := range list {
		if p := sub(arg).check(root, e); p != "" {
			return fmt.Sprintf("[%d] %s", i, p)
		}
	}
	return ""
}

func checkRequired(_, _ schemaNode, arg, v any) string {
	object, ok := v.(map[string]any)
	for _, name := range arg.([]any) {
		if _, there := object[name.(string)]; ok && !there {
			return fmt.Sprintf("%s is missing", name)
		}
	}
	return ""
}

func checkProperties(root, _ schemaNode, arg, v any) string {
	object, _ := v.(map[string]any)
	for name, m := range object {
		if s, known := sub(arg)[name]; known {
			if p := sub(s).check(root, m); p != "" {
				return name + " " + p
			}
		}
	}
	return ""
}

func doubled(v any) bool {
	list, _ := v.([]any)
	for i, e := range list {
		if slices.ContainsFunc(list[i+1:], func(o any) bool { return reflect.DeepEqual(e, o) }) {
			return true
		}
	}
	return false
}

func typeOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}
