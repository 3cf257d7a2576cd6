package wiring

import (
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Rules returns what a deployment allows, in the words of the domain.
func Rules(c config.Config) replication.Desk {
	d := replication.Desk{Account: c.Account, Reserved: []string{c.StateBucket}, MaxPrefixes: c.MaxPrefixes}
	for _, a := range c.Desk.Accounts {
		d.Accounts = append(d.Accounts, replication.Account(a))
	}
	if c.Desk.Pairs != nil {
		d.Pairs = []replication.PairPattern{} // a list without entries is not none: see [replication.Desk]
	}
	for _, p := range c.Desk.Pairs {
		d.Pairs = append(d.Pairs, replication.PairPattern{Source: replication.EndPattern(p.Source), Destination: replication.EndPattern(p.Destination)})
	}
	for _, r := range c.Desk.Residency {
		d.Residency = append(d.Residency, replication.Residency(r))
	}
	for _, a := range c.Desk.Approvers {
		if key, err := a.PublicKey(); err == nil { // others are refused when the file is read
			d.Approvers = append(d.Approvers, replication.Approver{Name: a.Name, Key: key})
		}
	}
	if n := c.Desk.Caps.RulesPerHour; n != nil {
		d.Caps.RulesPerHour = *n
	}
	if n := c.Desk.Caps.RulesPerAccount; n != nil {
		d.Caps.RulesPerAccount = *n
	}
	d.ObserveOnly = c.Desk.ObserveOnly
	return d
}
