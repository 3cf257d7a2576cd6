package replication_test

// under returns the cell as it is copied by a rule with that key; "" has none.
func (e cell) under(key string) cell {
	if key != "" && e.object != nil {
		o := *e.object
		o.SSE, o.KMSKey = "KMS", key
		e.object = &o
	}
	return e
}
