// Package deploy holds what has to exist before the functions are deployed: the
// policies of their roles, and how long their queues keep a message. The local cloud runs the functions with exactly these
// documents.
package deploy

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// QueueRetention is how long every queue keeps a message: the longest that MNS has, so
// that a ticket outlives the longest holiday of those who have to look after it.
// s.yaml cannot say it, since Serverless Devs makes no queues.
const QueueRetention = 7 * 24 * time.Hour

//go:embed policies/*.json
var policies embed.FS

// Functions returns the names of the functions.
func Functions() []string { return []string{"provision", "verify", "progress"} }

// TrustPolicy returns the trust policy of the role of each function.
func TrustPolicy() ([]byte, error) { return policies.ReadFile("policies/trust.json") }

// RolePolicy returns all that the role of one function may do, for the state bucket and
// the queue prefix of a deployment, as one document: what WithoutGrants returns and, if
// the function makes roles or grants, the document of those rights beside it.
func RolePolicy(function, stateBucket, queuePrefix string) ([]byte, error) {
	b, err := WithoutGrants(function, stateBucket, queuePrefix)
	if err != nil {
		return nil, err
	}
	grants, err := policies.ReadFile("policies/" + function + "-grants.json")
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	return joined(b, grants)
}

// WithoutGrants returns what the role of one function may do in a deployment that
// changes nothing in RAM: account owners make the roles of rules beforehand, and
// tickets name them.
func WithoutGrants(function, stateBucket, queuePrefix string) ([]byte, error) {
	b, err := policies.ReadFile("policies/" + function + ".json")
	if err != nil {
		return nil, fmt.Errorf("there is no policy for the function %q: %w", function, err)
	}
	return []byte(strings.NewReplacer("${state_bucket}", stateBucket, "${queue_prefix}", queuePrefix).Replace(string(b))), nil
}

// joined returns a policy with the statements of several.
func joined(documents ...[]byte) ([]byte, error) {
	type document struct {
		Version   string
		Statement []json.RawMessage
	}
	var all document
	for _, b := range documents {
		var d document
		if err := json.Unmarshal(b, &d); err != nil {
			return nil, err
		}
		all.Version, all.Statement = d.Version, append(all.Statement, d.Statement...)
	}
	return json.MarshalIndent(all, "", "  ")
}
