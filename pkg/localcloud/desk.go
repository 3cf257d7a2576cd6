package localcloud

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
)

// Approver is the name of the approver of the local desk.
const Approver = "approver"

// deskFile says what the desk of this cloud may do: every pair of buckets of its two
// accounts, whose ids are new each time, but no patient's data leaves the country. In
// account B a role is assumed, unless its owner makes the grants by hand.
func (c *Cloud) deskFile(handshake bool) config.Desk {
	d := config.Desk{Accounts: []config.Account{{UID: c.B.UID, Role: "acs:ram::" + c.B.UID + ":role/" + deploy.DestinationRole}}}
	if handshake {
		d.Accounts[0].Role = ""
	}
	end := func(uid string) config.End { return config.End{Account: uid, Region: "*", Bucket: "*"} }
	for _, destination := range []string{c.A.UID, c.B.UID} {
		d.Pairs = append(d.Pairs, config.Pair{Source: end(c.A.UID), Destination: end(destination)})
	}
	d.Residency = []config.Residency{{Account: c.A.UID, Bucket: "patient-*", Regions: []string{"cn-*"}}}
	public := c.Approver.Public().(ed25519.PublicKey)
	d.Approvers = []config.Approver{{Name: Approver, Key: base64.StdEncoding.EncodeToString(public)}}
	return d
}

// writeDesk makes the key of the approver, writes the desk file and returns its
// absolute path.
func (c *Cloud) writeDesk(name, keyFile string, handshake bool) (_ string, err error) {
	if _, c.Approver, err = ed25519.GenerateKey(nil); err != nil {
		return "", err
	}
	if name == "" {
		if c.dir, err = os.MkdirTemp("", "replidesk-*"); err != nil {
			return "", err
		}
		name = filepath.Join(c.dir, "desk.json")
	}
	if name, err = filepath.Abs(name); err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(c.deskFile(handshake), "", "  ")
	if err != nil {
		return "", err
	}
	if err := write(name, append(b, '\n')); err != nil || keyFile == "" {
		return name, err
	}
	if b, err = x509.MarshalPKCS8PrivateKey(c.Approver); err != nil {
		return "", err
	}
	return name, write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}))
}

// write writes a file for its owner alone.
func write(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o600)
}
