package wiring

import "github.com/replidesk/replidesk/pkg/discover"

// Scan returns a look through the account of the desk for rules that no ticket manages.
func (d *Desk) Scan() discover.Scan {
	return discover.Scan{Cloud: d.OSS, Pairs: d.Pairs, Desk: Rules(d.Config), Region: d.Config.Region}
}
