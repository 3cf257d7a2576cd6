package localcloud

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/replidesk/replidesk/pkg/config"
)

// deskFile says what the desk of this cloud may do: every pair of buckets of its two
// accounts, whose ids are new each time. In account B the owner does what has to be
// done there.
func (c *Cloud) deskFile() config.Desk {
	d := config.Desk{Accounts: []config.Account{{UID: c.B.UID}}}
	end := func(uid string) config.End { return config.End{Account: uid, Region: "*", Bucket: "*"} }
	for _, destination := range []string{c.A.UID, c.B.UID} {
		d.Pairs = append(d.Pairs, config.Pair{Source: end(c.A.UID), Destination: end(destination)})
	}
	return d
}

// writeDesk writes the desk file and returns its absolute path.
func (c *Cloud) writeDesk(name string) (string, error) {
	if name == "" {
		dir, err := os.MkdirTemp("", "replidesk-*")
		if err != nil {
			return "", err
		}
		c.dir, name = dir, filepath.Join(dir, "desk.json")
	}
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(c.deskFile(), "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", err
	}
	return name, os.WriteFile(name, append(b, '\n'), 0o600)
}
