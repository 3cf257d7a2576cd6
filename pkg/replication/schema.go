package replication

import (
	_ "embed" // for the schema
	"slices"
)

//go:embed schema.json
var schema []byte

// JSONSchema returns the JSON Schema (2020-12) of the tickets that this version
// accepts. It is for those who write tickets: [Parse] and [Validate] do not use it,
// and say more; a test holds them together.
func JSONSchema() []byte { return slices.Clone(schema) }
