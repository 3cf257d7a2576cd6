package localcloud

import (
	"fmt"
	"strings"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// planner is the user of the desk's account who makes plans, besides the functions.
const planner = "user/admin"

// prepareAccounts makes the roles that the desk file names in other accounts. They
// trust the roles of the functions, and whoever makes plans.
func prepareAccounts(w *world.World, c config.Config, functions map[string]Function) error {
	trusted := []string{"acs:ram::" + c.Account + ":" + planner}
	for _, f := range deploy.Functions() {
		if deploy.Assumes(f) {
			trusted = append(trusted, "acs:ram::"+c.Account+":role/"+functions[f].Role)
		}
	}
	trust, err := deploy.DestinationTrust(trusted...)
	if err != nil {
		return err
	}
	document, err := deploy.DestinationPolicy("*")
	if err != nil {
		return err
	}
	for _, a := range c.Desk.Accounts {
		if a.Role == "" {
			continue
		}
		_, name, _ := strings.Cut(a.Role, ":role/")
		if _, e := w.CreateRole(a.UID, world.NewRole{Name: name, Trust: string(trust)}); e != nil {
			return fmt.Errorf("role %s: %w", a.Role, e)
		}
		if _, e := w.CreatePolicy(a.UID, name, string(document), "", nil); e != nil {
			return fmt.Errorf("policy of role %s: %w", a.Role, e)
		}
		if e := w.AttachPolicyToRole(a.UID, world.TypeCustom, name, name, world.View{}); e != nil {
			return fmt.Errorf("policy of role %s: %w", a.Role, e)
		}
	}
	return nil
}

// assuming returns the policy of a function's role with the right to assume the roles
// that the desk file names.
func assuming(c config.Config, function, policy string) (string, error) {
	var roles []string
	for _, a := range c.Desk.Accounts {
		if a.Role != "" && deploy.Assumes(function) {
			roles = append(roles, a.Role)
		}
	}
	document, err := deploy.Assuming([]byte(policy), roles...)
	return string(document), err
}
