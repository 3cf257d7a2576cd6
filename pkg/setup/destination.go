package setup

import (
	"context"
	"fmt"
	"strings"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/fault"
)

// A Destination is the role that the desk file names in another account.
type Destination struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Trust   []byte `json:"-"`
	Policy  []byte `json:"-"`
	parts   []*Part
}

// Destination returns the role of another account, for the buckets whose names match a
// pattern. Besides the functions, planners may assume it, given by their ARNs: people
// who make plans.
func (s *Setup) Destination(account, buckets string, planners ...string) (Destination, error) {
	d := Destination{Account: account}
	for _, a := range s.config.Desk.Accounts {
		if a.UID == account {
			_, d.Role, _ = strings.Cut(a.Role, ":role/")
		}
	}
	if d.Role == "" {
		return d, &fault.Error{Kind: fault.Terminal, Op: "Destination", Resource: account,
			Err: fmt.Errorf("the desk file names no role in this account, such as acs:ram::%s:role/%s", account, deploy.DestinationRole)}
	}
	trusted := planners
	for _, f := range deploy.Functions() {
		if deploy.Assumes(f) {
			trusted = append(trusted, "acs:ram::"+s.config.Account+":role/"+s.roles[f])
		}
	}
	var err error
	if d.Trust, err = deploy.DestinationTrust(trusted...); err != nil {
		return d, err
	}
	if d.Policy, err = deploy.DestinationPolicy(buckets); err != nil {
		return d, err
	}
	d.parts = s.grant(d.Role, d.Trust, d.Policy)
	return d, nil
}

// Bootstrap is [Setup.Bootstrap] for the role of a destination. The desk has to work
// with keys of its account.
func (d Destination) Bootstrap(ctx context.Context, o Options) []Line { return bring(ctx, d.parts, o) }
