package main

import (
	"fmt"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// makeRoles makes the roles that example tickets name, as the owner of the account
// does beforehand.
func makeRoles(w *world.World, account string) error {
	for _, p := range plans {
		if p.role == "" {
			continue
		}
		if _, err := w.CreateRole(account, world.NewRole{Name: p.role, Trust: replication.TrustPolicy(), Description: "made beforehand for " + p.source.bucket}); err != nil {
			return fmt.Errorf("role %s: %s", p.role, err.Message)
		}
		if p.grants == "" {
			continue
		}
		if _, err := w.CreatePolicy(account, p.role, p.grants, "rights to replicate "+p.source.bucket, nil); err != nil {
			return fmt.Errorf("policy %s: %s", p.role, err.Message)
		}
		if err := w.AttachPolicyToRole(account, world.TypeCustom, p.role, p.role, world.View{}); err != nil {
			return fmt.Errorf("policy %s: %s", p.role, err.Message)
		}
	}
	return nil
}
