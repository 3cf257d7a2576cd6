package serverless

// Resolved returns what a file says after variables and templates, unchecked.
func Resolved(b []byte, getenv func(string) string) (map[string]any, error) {
	r := newReader(getenv)
	root, err := document(b)
	if err != nil {
		return nil, err
	}
	r.place(root, "")
	r.resolve(root)
	if err := r.err(); err != nil {
		return nil, err
	}
	var all map[string]any
	return all, root.Decode(&all)
}
