package replication

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An OwnerSeen is the job that owns the pair of a ticket.
type OwnerSeen struct {
	Job     string   // "" when nobody owns the pair
	Request *Request // what it asks for; nil when its journal cannot be read
	Phase   Phase
	Message string
	Rule    string // the id of its rule; "" when there is none or it is not known
	Watched bool   // the watch has the pair
	Leaving bool   // it is on its way to give the pair back
}

// OwnerOf returns what a ticket sees of the job that owns its pair.
func OwnerOf(j *Job) OwnerSeen {
	return OwnerSeen{Job: j.ID, Request: &j.Request, Phase: j.Phase, Message: j.Message, Rule: j.Rule.id(), Watched: j.Watched(), Leaving: j.Ordered() || j.Ending != nil}
}

// other reports whether another job owns the pair.
func (o OwnerSeen) other(id string) bool { return o.Job != "" && o.Job != id }

// decideOwned decides what becomes of a ticket whose pair another job owns: with the
// same options it is a duplicate, which is complete if the pair is proven and
// watched; with others it is refused, because a rule cannot be edited. [fact 2] A
// pair that is about to be given back is waited for.
func decideOwned(j *Job, v View) Step {
	if l := LookOwner | LookRules; !v.Seen.Has(l) {
		return Step{Look: l}
	}
	o, r := *v.Seen.Owner, j.Request
	j.Made.PairAsked = j.Made.PairAsked && !o.other(j.ID)
	if !o.other(j.ID) { // given back meanwhile: the pair is claimed anew
		j.Last = nil
		return again(j)
	}
	lost := j.Since.Add(ClosingLost)
	if o.Leaving && v.Now.Before(lost) {
		return wait(j, ReasonPairLeaving, fmt.Sprintf("ticket %s, which is %s, is giving the pair back", o.Job, o.Phase), v.growing(j.Since, closingEvery, slowest, lost))
	}
	if o.Leaving || o.Request == nil {
		return reject(j, ReasonPairOwned, fmt.Sprintf("ticket %s owns the pair of %s and %s%s", o.Job, r.Source.Bucket, r.Destination.Bucket, o.why()), v)
	}
	if d := r.Changes(*o.Request); len(d) > 0 {
		return reject(j, ReasonPairDiffers, fmt.Sprintf("ticket %s replicates %s to %s otherwise: %s", o.Job, r.Source.Bucket, r.Destination.Bucket, strings.Join(d, "; ")), v)
	}
	g, ok := v.Seen.Rules.Find(o.Rule, r.Destination.Bucket)
	stands := ok && o.Rule != "" && g.Status != RuleClosing
	if o.Watched && stands {
		return end(j, PhaseCompleted, ReasonDuplicate, fmt.Sprintf("ticket %s replicates %s to %s with the same options, is proven and watched", o.Job, r.Source.Bucket, r.Destination.Bucket), v)
	}
	message := fmt.Sprintf("ticket %s asks for the same and is %s: %s", o.Job, o.Phase, o.Message)
	if o.Watched {
		message = fmt.Sprintf("ticket %s asks for the same and is watched, but its rule is gone or being removed", o.Job)
	}
	return reject(j, ReasonDuplicate, message, v)
}

// why says what is the matter with an owner whose options do not count.
func (o OwnerSeen) why() string {
	if o.Leaving {
		return fmt.Sprintf("; it was to give it back, but is still %s after %s", o.Phase, shortDuration(ClosingLost))
	}
	return ", but its journal cannot be read"
}

// notOptions are the members of a ticket that say nothing of the pair: its identity,
// who asked and agreed, and what was accepted once.
var notOptions = map[string]bool{"specVersion": true, "id": true, "action": true, "requester": true, "approvals": true, "dryRun": true, "target": true,
	"historical.acceptOverwrite": true, "acceptGap": true, "declared": true, "limits.grantWithin": true, "role.consent": true, "role.addMissing": true}

// Changes returns what r asks for otherwise than old, field by field in their order
// ("rtc: false -> true"). nil means that both ask for the same pair with the same
// options. The order of prefixes and of tags does not matter.
func (r Request) Changes(old Request) []string {
	if r.adopts() || old.adopts() { // an adoption takes the role as it is
		r.Role, old.Role = RoleChoice{}, RoleChoice{}
	}
	r.KMS, old.KMS = r.plainKMS(), old.plainKMS()
	was, is := optionsOf(old), optionsOf(r)
	names := maps.Clone(was)
	maps.Copy(names, is)
	var d []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != is[name] {
			d = append(d, fmt.Sprintf("%s: %s -> %s", name, orAbsent(was[name]), orAbsent(is[name])))
		}
	}
	return d
}

// plainKMS returns what a ticket says of KMS in one of the ways in which that can be said.
func (r Request) plainKMS() *KMS {
	key := r.KMSKey()
	if key == "" {
		return nil
	}
	return &KMS{Replicate: r.KMS.Replicate, KeyID: keyARN(key, r.Destination)}
}

func orAbsent(s string) string {
	if s == "" {
		return "absent"
	}
	return s
}

// optionsOf flattens a request into its options by name. Written as JSON it shows
// every member that a later version may add.
func optionsOf(r Request) map[string]string {
	options := map[string]string{}
	b, err := json.Marshal(r)
	if err != nil { // see Fingerprint
		return options
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return options
	}
	flatten(options, "", v)
	return options
}

func flatten(into map[string]string, path string, v any) {
	if notOptions[path] {
		return
	}
	if m, ok := v.(map[string]any); ok {
		for name, e := range m {
			flatten(into, strings.TrimPrefix(path+"."+name, "."), e)
		}
		return
	}
	if list, ok := v.([]any); ok {
		v = slices.SortedFunc(slices.Values(list), func(a, b any) int { return strings.Compare(plainJSON(a), plainJSON(b)) })
	}
	into[path] = plainJSON(v)
}

func plainJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // what was read from JSON can be written as JSON
		return ""
	}
	return string(b)
}
