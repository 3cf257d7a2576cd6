package combos

import "encoding/json"

// A Trial is what a combination is tried with.
type Trial struct {
	ID, Account, Source, Destination string // ticket, UID of the owner, the two buckets
}

// Ticket returns the ticket of a combination.
func (c Combo) Ticket(t Trial) string {
	from, to := c.Ends()
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
	body, err := json.Marshal(map[string]any{
		"specVersion": "1", "id": t.ID, "action": "replicate",
		"source":               map[string]any{"account": t.Account, "region": from, "bucket": t.Source},
		"destination":          map[string]any{"account": t.Account, "region": to, "bucket": t.Destination},
		"objects":              objects,
		"replicateDeletes":     c.Is(Deletes, "with deletes"),
		"historical":           map[string]any{"replicate": !c.Is(Historical, "without history"), "acceptOverwrite": c.Is(Historical, "with history over all")},
		"transferAcceleration": c.Is(Acceleration, "accelerated"),
		"rtc":                  c.Is(RTC, "with RTC"),
		"verify":               map[string]any{"canary": c.Is(Canary, "with canary")},
	})
	if err != nil { // maps of strings, slices and booleans always marshal
		panic(err)
	}
	return string(body)
}
