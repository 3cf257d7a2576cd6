package localcloud

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/replidesk/replidesk/pkg/config"
)

// deskFile says what the desk of this cloud may do: its account ids are new each
// time. In account B the owner does what has to be done there.
func (c *Cloud) deskFile() config.Desk {
	return config.Desk{Accounts: []config.Account{{UID: c.B.UID}}}
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
