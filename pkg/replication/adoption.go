package replication

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// AdoptionOf returns the ticket that adopts a rule of others as it stands, and why none
// can; nil means that it can be sent. to is the account of the destination, "" when it
// is not known. The ticket declines the canary: nobody asked for objects of our own.
//
// Its id follows from the rule and its options, so that whoever adopts the same rule
// twice sends the same ticket.
func AdoptionOf(source End, g RuleSeen, to string, d Desk) (Request, Problems) {
	plain := g.plain()
	r := defaults()
	r.SpecVersion, r.Action, r.Role, r.Source = "1", ActionAdopt, RoleChoice{}, source
	r.Destination = RuleEnd(to, g)
	r.Objects = Objects{Prefixes: slices.Sorted(slices.Values(g.Prefixes)), Tags: g.Tags}
	history, yes := plain.Historical == "enabled", true
	r.Historical.Replicate = &history
	r.ReplicateDeletes, r.TransferAcceleration = plain.Action == "ALL", g.TransferType == TransferAcceleration
	r.RTC = g.RTC == "enabled" || g.RTC == "enabling"
	if g.KMS == "Enabled" {
		r.KMS = &KMS{Replicate: &yes, KeyID: g.KMSKey}
	}
	r.Verify.Canary = false
	if ValidID(g.ID) {
		r.Target = g.ID
	}
	r.ID = adoptionID(r, g.ID)

	var p Problems
	if _, reason, message := adoptable(r, RulesSeen{Rules: []RuleSeen{g}}); reason == ReasonAdoptDiffers {
		p.add(ReasonAdoptUnknown, "", strings.Replace(message, "is not the one that the ticket describes", "has what no ticket can say", 1))
	} else if reason != "" {
		p.add(reason, "", message)
	}
	if to == "" {
		p.add(ReasonAdoptAccount, "destination.account", fmt.Sprintf("the rule does not say to which account %s belongs", g.Destination))
		return r, p
	}
	return r, append(p, Validate(r, d)...)
}

// RuleEnd returns the destination of a rule as an end of the given account.
func RuleEnd(account string, g RuleSeen) End {
	return End{Account: account, Region: strings.TrimPrefix(g.Location, "oss-"), Bucket: g.Destination}
}

// adoptionID names the ticket that adopts a rule after its source, for people, and
// after all that it says. The longest name of a bucket has 63 characters, an id 64.
func adoptionID(r Request, rule string) string {
	r.ID = ""
	sum := sha256.Sum256([]byte(rule + "/" + r.Fingerprint()))
	name := r.Source.Bucket
	return fmt.Sprintf("adopt-%s-%x", name[:min(len(name), 45)], sum[:6])
}

// TicketOf writes an adoption as the ticket that is sent.
func TicketOf(r Request) []byte {
	var members map[string]any
	b, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(b, &members)
	}
	delete(members, "role") // an adoption takes that of the rule
	if err == nil {
		b, err = json.Marshal(members)
	}
	if err != nil { // see Fingerprint
		return nil
	}
	return b
}
