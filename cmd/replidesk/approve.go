package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/replidesk/replidesk/pkg/replication"
)

// runApprove signs a ticket and prints it with the signature.
func runApprove(_ context.Context, a *app, args []string) error {
	f := newFlags("approve")
	envFile := f.String("env-file", "", "")
	keyFile, by := f.String("key", "", ""), f.String("by", "", "")
	files, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(files) != 1 || *keyFile == "" || *by == "" {
		return misuse("approve: exactly one ticket, --key and --by have to be given")
	}
	getenv, err := a.environment(*envFile)
	if err != nil {
		return err
	}
	key, err := readKey(*keyFile)
	if err != nil {
		return fmt.Errorf("%s: %w", *keyFile, err)
	}
	t, err := a.readTicket(files[0], getenv, replication.Desk{})
	if err != nil {
		return fmt.Errorf("%s: %w", files[0], err)
	}
	if t.body, err = signed(t.body, *by, key); err != nil {
		return fmt.Errorf("%s: %w", files[0], err)
	}
	r, _ := replication.Parse(t.body)
	a.say("%s approves ticket %s: %s of account %s to %s of account %s; fingerprint %s", *by, r.ID,
		r.Source.Bucket, r.Source.Account, r.Destination.Bucket, r.Destination.Account, r.Fingerprint())
	_, err = a.stdout.Write(t.body)
	return err
}

// unapproved reports whether all that is missing is an approval.
func (t ticketFile) unapproved() bool { return len(t.problems) > 0 && t.problems.Plannable() }

// signed returns a ticket with the approval of somebody.
func signed(body []byte, by string, key ed25519.PrivateKey) ([]byte, error) {
	r, problems := replication.Parse(body)
	if len(problems) > 0 {
		return nil, fmt.Errorf("the ticket has to be corrected first: %w", problems)
	}
	if !r.Action.HasPair() {
		return nil, fmt.Errorf("a ticket with the action %s takes no approvals", r.Action)
	}
	if replication.SamePerson(by, r.Requester) {
		return nil, hint(fmt.Errorf("%s asks for ticket %s", by, r.ID), "somebody else has to approve it")
	}
	return replication.WithApproval(body, replication.Approve(r, by, key))
}

// readKey reads an Ed25519 private key as openssl writes it.
func readKey(file string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("there is no PEM block in it")
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := any.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("it is not an Ed25519 key: make one with openssl genpkey -algorithm ed25519")
	}
	return key, nil
}
