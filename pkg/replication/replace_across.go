package replication

import (
	"fmt"
	"strings"
)

// A replacement across accounts depends on other people twice: they let the new role
// write, and they may not let us list what arrived.

// validateGap refuses a replacement after which nobody could say what is missing,
// unless OSS copies everything anyway or the ticket does without knowing.
func validateGap(p *Problems, r Request, d Desk) {
	if h := r.Historical.Replicate; h == nil || *h || r.AcceptGap {
		return
	}
	switch to := r.Destination; {
	case r.Objects.Tags != nil:
		p.add(ReasonGapUncheckable, "acceptGap", "which of the objects that are written between the two rules have the tags of the scope no listing shows, so what is missing then could not be told")
	case d.Reach(to.Account) == ReachHandshake:
		p.add(ReasonGapUncheckable, "acceptGap", fmt.Sprintf("the desk cannot list %s, whose account %s acts by hand, so which objects that are written between the two rules have no copy could not be told", to.Bucket, to.Account))
	}
}

// grantedBeforehand waits for what other people have to do for the new rule while the
// old one still stands: for as long as they take nothing would be copied. What this desk
// does itself, and what it cannot see, is not waited for; nor is the policy of a key,
// which KMS might not take for a role that is not there yet. ok means that nothing is
// known to be in the way.
func grantedBeforehand(j *Job, v View) (s Step, ok bool) {
	r := j.Request
	if !r.Across() {
		return Step{}, true
	}
	if !v.Seen.Has(LookBucketPolicy) {
		return Step{Look: LookBucketPolicy}, false
	}
	byHand, policy := v.Desk.Handshake(r), v.Seen.BucketPolicy
	switch {
	case policy.Is != Foreign:
		reason, message := grantFault(r, *policy)
		ours := reason == ReasonGrantMissing && !byHand
		if reason != "" && !ours && reason != ReasonPolicyFull { // the statement of the old role goes first
			return block(j, reason, message, v), false
		}
	case !byHand:
		return block(j, ReasonDenied, policyDenied(r), v), false
	}
	return Step{}, true
}

// missing says what has no copy, or may have none.
func (g Gap) missing(r Request) string {
	examples := strings.Join(g.Last.Examples, ", ")
	if g.Unlisted {
		return fmt.Sprintf("%s that were written to %s %s may have no copy in %s, which the desk cannot list, such as %s",
			count(g.Last.Missing, "object"), r.Source.Bucket, g.bounds(), r.Destination.Bucket, examples)
	}
	m := fmt.Sprintf("%d of %s that were written to %s %s have no equal copy in %s, such as %s", g.Last.Missing, count(g.Last.Written, "object"),
		r.Source.Bucket, g.bounds(), r.Destination.Bucket, examples)
	if r.Objects.Tags != nil {
		m += "; those without the tags of the scope should have none"
	}
	return m
}

// uncompared says why nobody compared what came with the historical copy, or "".
func (g Gap) uncompared(r Request) string {
	switch {
	case !*r.Historical.Replicate:
		return ""
	case g.Unlisted:
		return fmt.Sprintf("what was written %s, between the two rules, came with the historical copy, which OSS says is complete; the copies in %s were not compared, because the desk cannot list it", g.bounds(), r.Destination.Bucket)
	case r.Objects.Tags != nil:
		return fmt.Sprintf("what was written %s, between the two rules, came with the historical copy, which OSS says is complete; the copies were not compared, because no listing shows which objects have the tags of the scope", g.bounds())
	}
	return ""
}

// replaceRisks says what is lost in a gap.
func (p *PlanResult) replaceRisks(j *Job, s Seen) {
	r := j.Request
	if !r.replaces() {
		return
	}
	what := fmt.Sprintf("from the closing of the old rule (ticket %s) until the new one is live, usually some ten minutes, nothing is copied", r.Target)
	unlisted := j.Gap != nil && j.Gap.Unlisted
	switch copied := *r.Historical.Replicate; {
	case copied && (unlisted || r.Objects.Tags != nil):
		p.note(&p.Risks, "gap", "%s; what is written then comes with the historical copy, which the job waits for; whether each object has its copy then is OSS's word, because the copies cannot be compared [fact 5]", what)
	case copied:
		p.note(&p.Risks, "gap", "%s; what is written then comes with the historical copy, which the job waits for before it is complete [fact 5]", what)
	case unlisted:
		p.note(&p.Risks, "gap", "%s; what is written then is never copied, because the ticket does not copy existing objects: the result names what was written, as the ticket accepts, and cannot tell what of it had been copied before, because the desk cannot list %s [fact 5]", what, r.Destination.Bucket)
	case r.AcceptGap:
		p.note(&p.Risks, "gap", "%s; what is written then is never copied, because the ticket does not copy existing objects: the result names how many, as the ticket accepts [fact 5]", what)
	default:
		p.note(&p.Risks, "gap", "%s; what is written then is not copied, because the ticket does not copy existing objects: the job finds it, names it, and is blocked until it is written again; historical.replicate copies it, acceptGap does without [fact 5]", what)
	}
	p.note(&p.Risks, "gap-deletes", "what is deleted or overwritten between the two rules is compared only as it stands at the end: deletions do not reach %s, nor do versions that were current only then [fact 13]", r.Destination.Bucket)
	if j.handshake() && s.BucketPolicy != nil && s.BucketPolicy.Is == Foreign {
		p.note(&p.Risks, "gap-grant", "whether role %s may write to %s cannot be seen, so the old rule is taken down without waiting for it: have the owner of account %s make the grant before this ticket is sent, since nothing is copied until it stands", r.RoleName(), r.Destination.Bucket, r.Destination.Account)
	}
	if r.lentKey() {
		p.note(&p.Risks, "gap-key", "that the policy of key %s lets role %s use it is seen only after the old rule is down: have its owner see to it as soon as the job asks for it, since nothing is copied until then", r.KMSKey(), r.RoleName())
	}
}
