package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replidesk/replidesk"
	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/mnsbus"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/serverless"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// A Setup is what a deployment needs, over a desk that works with the keys of a person.
type Setup struct {
	desk   *wiring.Desk
	config config.Config
	roles  map[string]string // of the functions, as s.yaml names them
	parts  []*Part
}

// New reads s.yaml and the documents of package deploy for the settings of a desk. It
// makes no request.
func New(d *wiring.Desk) (*Setup, error) { return newSetup(d, false) }

// NewWithoutGrants is New for a desk that may change nothing in RAM, see
// [deploy.WithoutGrants].
func NewWithoutGrants(d *wiring.Desk) (*Setup, error) { return newSetup(d, true) }

func newSetup(d *wiring.Desk, withoutGrants bool) (*Setup, error) {
	s := &Setup{desk: d, config: d.Config, roles: map[string]string{}}
	file, err := serverless.Read(replidesk.Deployment, s.variable)
	if err != nil {
		return nil, fmt.Errorf("s.yaml: %w", err)
	}
	s.parts = append(s.parts, s.bucket())
	for _, q := range config.Queues() {
		s.parts = append(s.parts, s.queue(s.config.QueueName(q)))
	}
	for _, f := range deploy.Functions() {
		r, ok := file.Resources[f]
		if !ok {
			return nil, fmt.Errorf("s.yaml has no resource %s", f)
		}
		s.roles[f] = r.Props.Role.Name()
		trust, err := deploy.TrustPolicy()
		if err != nil {
			return nil, err
		}
		full, err := s.policy(f, deploy.RolePolicy)
		if err != nil {
			return nil, err
		}
		narrow, err := s.policy(f, deploy.WithoutGrants)
		if err != nil {
			return nil, err
		}
		if withoutGrants {
			full = narrow
		}
		s.parts = append(s.parts, s.grant(s.roles[f], trust, full, narrow)...)
	}
	return s, nil
}

// variable returns what s.yaml asks for, as far as names and roles follow from it.
func (s *Setup) variable(name string) string {
	switch name {
	case "REPLIDESK_ACCOUNT":
		return s.config.Account
	case "REPLIDESK_REGION":
		return s.config.Region
	case "REPLIDESK_STATE_BUCKET":
		return s.config.StateBucket
	case "REPLIDESK_QUEUE_PREFIX":
		return s.config.QueuePrefix
	case "REPLIDESK_LOG_PROJECT", "REPLIDESK_LOG_STORE":
		return "not-known-here"
	}
	return ""
}

// policy returns the policy of the role of a function from its document.
func (s *Setup) policy(function string, document func(function, stateBucket, queuePrefix string) ([]byte, error)) ([]byte, error) {
	policy, err := document(function, s.config.StateBucket, s.config.QueuePrefix)
	if err != nil {
		return nil, err
	}
	var roles []string
	for _, a := range s.config.Desk.Accounts {
		if a.Role != "" && deploy.Assumes(function) {
			roles = append(roles, a.Role)
		}
	}
	return deploy.Assuming(policy, roles...)
}

// Bootstrap says what of the parts is missing or differs, and puts it right as far as
// the options allow.
func (s *Setup) Bootstrap(ctx context.Context, o Options) []Line { return bring(ctx, s.parts, o) }

// Redundancy of a bucket whose objects lie in several zones of a region.
const zoneRedundant = "ZRS"

// bucket is the state bucket.
func (s *Setup) bucket() *Part {
	b := s.desk.StateBucket()
	return &Part{
		Kind: KindBucket, Name: s.config.StateBucket,
		Want:   "in " + s.config.Region + ", private, never versioned, encrypted with SSE-OSS, zone-redundant, without lifecycle rules",
		create: b.Create,
		look: func(ctx context.Context) (seen, error) {
			is, err := b.Look(ctx)
			if err != nil || !is.Exists {
				return seen{}, err
			}
			out := seen{exists: true}
			differs := func(text, remedy string, repair func(context.Context) error) {
				out.differences = append(out.differences, Difference{text, remedy, repair})
			}
			const another = "name another bucket in REPLIDESK_STATE_BUCKET"
			if is.Owner != s.config.Account {
				differs("it belongs to account "+is.Owner, another, nil)
			}
			if is.Location != "oss-"+s.config.Region {
				differs("it lies in "+strings.TrimPrefix(is.Location, "oss-"), another, nil)
			}
			for _, p := range is.Problems {
				repair := func(ctx context.Context) error { return b.Repair(ctx, p.Setting) }
				if !p.Setting.Repairable() {
					repair = nil
				}
				differs(p.Text, p.Remedy, repair)
			}
			if is.Redundancy != zoneRedundant {
				differs("its data lies in one zone ("+is.Redundancy+")", "convert it to zone-redundant storage in the console", nil)
			}
			return out, nil
		},
	}
}

// queue is one queue.
func (s *Setup) queue(name string) *Part {
	bus, days := s.desk.Bus, int(deploy.QueueRetention/(24*time.Hour))
	return &Part{
		Kind: KindQueue, Name: name, Want: fmt.Sprintf("keeps messages for %d days, of up to %d KB", days, mnsbus.MaxBody>>10),
		create: func(ctx context.Context) error { return bus.CreateQueue(ctx, name, deploy.QueueRetention) },
		remove: func(ctx context.Context) error { return bus.DeleteQueue(ctx, name) },
		look: func(ctx context.Context) (seen, error) {
			is, err := bus.Queue(ctx, name)
			if err != nil || !is.Exists {
				return seen{}, err
			}
			var wrong []string
			if is.Retention != deploy.QueueRetention {
				wrong = append(wrong, fmt.Sprintf("it keeps messages for %s instead of %d days", is.Retention, days))
			}
			if is.MaxBody != mnsbus.MaxBody {
				wrong = append(wrong, fmt.Sprintf("it takes messages of up to %d bytes instead of %d", is.MaxBody, mnsbus.MaxBody))
			}
			if is.Delay != 0 {
				wrong = append(wrong, fmt.Sprintf("it delays every message by %s", is.Delay))
			}
			out := seen{exists: true}
			if len(wrong) > 0 {
				out.differences = []Difference{{strings.Join(wrong, "; "), "set the attributes of the queue, or replidesk bootstrap --yes --repair",
					func(ctx context.Context) error { return bus.SetQueue(ctx, name, is, deploy.QueueRetention) }}}
			}
			return out, nil
		},
	}
}

// grant is a role with a policy of its own and the same name, attached. A policy that is
// there already may say less, as long as it is one of these documents.
func (s *Setup) grant(name string, trust, document []byte, orLess ...[]byte) []*Part {
	grants := s.desk.Grants
	const description = "Replidesk: made by replidesk bootstrap"
	role := &Part{
		Kind: KindRole, Name: name, Want: "trusted as follows: " + inline(trust),
		create: func(ctx context.Context) error {
			_, err := grants.CreateRole(ctx, name, inline(trust), description)
			return err
		},
		remove: func(ctx context.Context) error { _, err := grants.DeleteRole(ctx, name); return err },
		look: func(ctx context.Context) (seen, error) {
			is, err := grants.Role(ctx, name)
			return compared(is.Is, is.Trust, trust, "its trust policy", func(ctx context.Context) error { return grants.SetTrust(ctx, name, inline(trust)) }), err
		},
	}
	policy := &Part{
		Kind: KindPolicy, Name: name, Want: "grants exactly what deploy/policies says",
		create: func(ctx context.Context) error {
			_, err := grants.CreatePolicy(ctx, name, inline(document), description)
			return err
		},
		remove: func(ctx context.Context) error {
			if err := grants.DropVersions(ctx, name); err != nil {
				return err
			}
			_, err := grants.DeletePolicy(ctx, name)
			return err
		},
		look: func(ctx context.Context) (seen, error) {
			is, err := grants.Policy(ctx, name)
			for _, less := range orLess {
				if replication.SameDocument(is.Document, string(less)) {
					return seen{exists: true}, err
				}
			}
			return compared(is.Is, is.Document, document, "its document", func(ctx context.Context) error { return grants.SetDocument(ctx, name, inline(document)) }), err
		},
	}
	attachment := &Part{
		Kind: KindAttachment, Name: name, Want: "the policy is attached to the role, and no other is", needs: []*Part{role, policy},
		create: func(ctx context.Context) error {
			_, err := grants.Attach(ctx, name, replication.PolicyCustom, name)
			return err
		},
		remove: func(ctx context.Context) error {
			_, err := grants.Detach(ctx, name, replication.PolicyCustom, name)
			return err
		},
		look: func(ctx context.Context) (seen, error) {
			is, err := grants.Attached(ctx, name, name)
			out := seen{exists: is.Attached}
			if len(is.Others) > 0 {
				slices.Sort(is.Others)
				out.differences = []Difference{{"the role also has " + strings.Join(is.Others, ", "),
					"detach what the function does not need: it has exactly the rights of its own policy", nil}}
			}
			return out, err
		},
	}
	return []*Part{role, policy, attachment}
}

// compared compares a document with what it should be, by meaning.
func compared(is replication.Existence, got string, want []byte, what string, repair func(context.Context) error) seen {
	out := seen{exists: is == replication.Exists}
	if out.exists && !replication.SameDocument(got, string(want)) {
		diff := strings.Join(replication.DocumentDiff(got, string(want)), "\n")
		out.differences = []Difference{{what + " is not that of deploy/policies:\n" + diff, "compare it with deploy/policies, then replidesk bootstrap --yes --repair", repair}}
	}
	return out
}

// inline writes a document without the space between its parts: RAM limits the length
// of documents.
func inline(document []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, document); err != nil {
		return string(document)
	}
	return b.String()
}
