package replication

import (
	"bytes"
	"encoding/json"
)

// Known reports whether this program knows every member of a stored job. If so
// there is nothing to keep, and [Encode] can do without the previous body.
func Known(body []byte) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(&Job{}) == nil
}
