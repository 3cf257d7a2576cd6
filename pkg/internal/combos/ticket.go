package combos

import "encoding/json"

// A Trial is what a combination is tried with.
type Trial struct {
	ID, Account, Other, Source, Destination string // ticket, UIDs of the two accounts, the two buckets
	SourceKey, Key                          string // of KMS, for objects at the source and for copies; see [Combo.Prepare]
}

// owner returns the account of the destination.
func (c Combo) owner(t Trial) string {
	if c.Is(Accounts, "one account") {
		return t.Account
	}
	return t.Other
}

// roleName is the name of the custom role of a trial.
func (t Trial) roleName() string { return "Made-for-" + t.ID }

// Ticket returns the ticket of a combination, which its trial was prepared for.
func (c Combo) Ticket(t Trial) string {
	from, to := c.Ends()
	ticket := map[string]any{
		"specVersion": "1", "id": t.ID, "action": "replicate", "requester": "combinations",
		"source":               map[string]any{"account": t.Account, "region": from, "bucket": t.Source},
		"destination":          map[string]any{"account": c.owner(t), "region": to, "bucket": t.Destination},
		"objects":              c.objects(),
		"replicateDeletes":     c.Is(Deletes, "with deletes"),
		"historical":           map[string]any{"replicate": !c.Is(Historical, "without history"), "acceptOverwrite": c.Is(Historical, "with history over all")},
		"transferAcceleration": c.Is(Acceleration, "accelerated"),
		"rtc":                  c.Is(RTC, "with RTC"),
		"verify":               map[string]any{"canary": c.Is(Canary, "with canary")},
		"role":                 c.role(t),
	}
	if c.Is(Encryption, "keys copied") {
		ticket["kms"] = map[string]any{"replicate": true, "keyId": t.Key}
	}
	if c.Is(Accounts, "two owners") { // nobody else can say
		ticket["declared"] = map[string]any{"versioning": map[bool]string{true: "enabled", false: "disabled"}[c.Is(Versioning, "versioned")], "empty": c.Is(Destination, "into nothing")}
	}
	body, err := json.Marshal(ticket)
	if err != nil { // maps of strings, slices and booleans always marshal
		panic(err)
	}
	return string(body)
}

func (c Combo) objects() map[string]any {
	objects := map[string]any{}
	if p := c.prefixes(); len(p) > 0 {
		objects["prefixes"] = p
	}
	if !c.Is(Tags, "no tags") {
		match := "any"
		if c.Is(Tags, "all tags") {
			match = "all"
		}
		objects["tags"] = map[string]any{"match": match, "set": []map[string]string{{"key": "team", "value": "images"}, {"key": "stage", "value": "live"}}}
	}
	return objects
}

func (c Combo) role(t Trial) map[string]any {
	switch {
	case c.Is(Role, "AliyunOSSRole") && c.Is(Encryption, "keys copied"):
		return map[string]any{"type": "AliyunOSSRole", "consent": []string{"all buckets", "all KMS keys"}}
	case c.Is(Role, "AliyunOSSRole"):
		return map[string]any{"type": "AliyunOSSRole", "consent": []string{"all buckets"}}
	case c.Is(Role, "custom role"):
		return map[string]any{"type": "custom", "name": t.roleName()}
	}
	return map[string]any{"type": "new"}
}
