// Package deploy holds what has to exist before the functions are deployed: the
// policies of their roles, and how long their queues keep a message. The local cloud runs the functions with exactly these
// documents.
package deploy

import (
	"embed"
	"fmt"
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

// RolePolicy returns the policy of the role of one function, for the state bucket
// and the queue prefix of a deployment.
func RolePolicy(function, stateBucket, queuePrefix string) ([]byte, error) {
	b, err := policies.ReadFile("policies/" + function + ".json")
	if err != nil {
		return nil, fmt.Errorf("there is no policy for the function %q: %w", function, err)
	}
	return []byte(strings.NewReplacer("${state_bucket}", stateBucket, "${queue_prefix}", queuePrefix).Replace(string(b))), nil
}
