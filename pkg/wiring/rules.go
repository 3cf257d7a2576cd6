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
	return d
}
