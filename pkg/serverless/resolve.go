package serverless

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What the tool does to a file before the component sees it; the fixtures of the
// tests are what it did. [fact 58]

var (
	expression = regexp.MustCompile(`\$\{[^}]*\}?`)
	envForm    = regexp.MustCompile(`^\$\{\s*env\(\s*['"]([A-Za-z_][A-Za-z0-9_]*)['"]\s*(,\s*['"]([^'"]*)['"]\s*)?\)\s*\}$`)
	varForm    = regexp.MustCompile(`^\$\{\s*vars\.([A-Za-z0-9_-]+)\s*\}$`)
)

// resolve puts values for all expressions of the file, and lays the props of every
// resource over the template that it extends. Every variable and every template has
// to be used: one that is not was meant for something.
func (r *reader) resolve(root *yaml.Node) {
	vars := child(root, "vars")
	if vars != nil && vars.Kind == yaml.MappingNode {
		for i := 0; i < len(vars.Content); i += 2 {
			r.expand(vars.Content[i+1])
			r.vars[vars.Content[i].Value] = vars.Content[i+1].Value
		}
	}
	if root.Kind == yaml.MappingNode {
		for i := 0; i < len(root.Content); i += 2 {
			if n := root.Content[i+1]; n != vars {
				r.expand(n)
			}
		}
	}
	templates := child(root, "template")
	if resources := child(root, "resources"); resources != nil && resources.Kind == yaml.MappingNode {
		for i := 1; i < len(resources.Content); i += 2 {
			r.extend(resources.Content[i], templates)
		}
	}
	r.unused(vars, "", "variable")
	r.unused(templates, "template.", "template")
}

func (r *reader) unused(n *yaml.Node, prefix, what string) {
	if n == nil {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, "it is not an object")
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		if !r.used[prefix+n.Content[i].Value] {
			r.problem(n.Content[i], "nothing uses this %s", what)
		}
	}
}

// expand puts values for the expressions in all texts below a node. The result is
// always text, also where it looks like a number.
func (r *reader) expand(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for i := 1; i < len(n.Content); i += 2 {
			r.expand(n.Content[i])
		}
		return
	}
	for _, c := range n.Content {
		r.expand(c)
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && strings.Contains(n.Value, "${") {
		n.Value = expression.ReplaceAllStringFunc(n.Value, func(e string) string { return r.value(n, e) })
	}
}

// value returns the value of one expression.
func (r *reader) value(n *yaml.Node, e string) string {
	if m := envForm.FindStringSubmatch(e); m != nil {
		if v := r.getenv(m[1]); v != "" {
			return v
		}
		if m[2] == "" {
			r.problem(n, "%s: %s is not set, and there is no default", e, m[1])
		}
		return m[3]
	}
	if m := varForm.FindStringSubmatch(e); m != nil {
		v, ok := r.vars[m[1]]
		if !ok {
			r.problem(n, "%s: there is no such variable before here", e)
		}
		r.used[m[1]] = true
		return v
	}
	r.problem(n, "%s is neither ${env('NAME')}, ${env('NAME', 'default')} nor ${vars.name}", e)
	return e
}

// extend lays the props of a resource over the template that it names.
func (r *reader) extend(resource, templates *yaml.Node) {
	name := child(resource, "extend")
	if name != nil {
		name = child(name, "name")
	}
	props := child(resource, "props")
	if name == nil || props == nil {
		return // what is missing is found by whoever needs it
	}
	r.used["template."+name.Value] = true
	var base *yaml.Node
	if templates != nil {
		base = child(templates, name.Value)
	}
	if base == nil || base.Kind != yaml.MappingNode {
		r.problem(name, "there is no template %q", name.Value)
		return
	}
	if props.Kind == yaml.MappingNode {
		props.Content = r.merged(base, props).Content
	}
}

// merged returns an object with the keys of both; objects in both are merged in
// turn, anything else is that of over. Lists are not joined.
func (r *reader) merged(base, over *yaml.Node) *yaml.Node {
	all := *over
	all.Content = nil
	r.paths[&all] = r.paths[over]
	for i := 0; i < len(base.Content); i += 2 {
		k, v := base.Content[i], base.Content[i+1]
		if o := child(over, k.Value); o != nil {
			if v.Kind == yaml.MappingNode && o.Kind == yaml.MappingNode {
				o = r.merged(v, o)
			}
			v = o
		}
		all.Content = append(all.Content, k, v)
	}
	for i := 0; i < len(over.Content); i += 2 {
		if child(base, over.Content[i].Value) == nil {
			all.Content = append(all.Content, over.Content[i], over.Content[i+1])
		}
	}
	return &all
}
