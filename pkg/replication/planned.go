package replication

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PlanUnseen is the plan of a ticket in order whose pair could not be looked at: the
// reason says why, and which call it was.
func PlanUnseen(r Request, t Trouble) PlanResult {
	reason, known := map[TroubleKind]Reason{
		TroubleThrottled: ReasonThrottled, TroubleDenied: ReasonDenied, TroubleQuota: ReasonQuota,
		TroubleGone: ReasonBucketGone, TroubleUnread: ReasonUnreadable, TroubleFinal: ReasonRefused,
	}[t.Kind]
	if !known {
		reason = ReasonUnavailable
	}
	res := newPlan(r)
	res.Reasons.add(reason, "", "the pair could not be looked at: "+t.String())
	return res
}

// maxPlanDetail bounds the plan in a result, in bytes: with its sentences it then fits
// into a message, in base64. [fact 31]
const maxPlanDetail = 40 << 10

// Planned returns the result for a ticket that asks for a plan only. digest is the
// SHA-256 of the message: the same message has the same event id however often it comes.
func Planned(p PlanResult, digest string, now time.Time) Event {
	id := p.Ticket
	if !ValidID(id) {
		id = "unknown"
	}
	e := Event{ID: id + "/planned/" + digest, Type: EventPlanned, At: now, Job: id,
		Reason: ReasonPlanned, Message: "the ticket would be accepted", Remedy: ReasonPlanned.Remedy()}
	if !p.Accepted && len(p.Reasons) > 0 {
		first := p.Reasons[0]
		e.Reason, e.Message, e.Remedy = first.Code, "the ticket would be refused: "+shortText(first.Message), first.Remedy
	}
	if b, err := json.Marshal(p.Fit(maxPlanDetail)); err == nil {
		e.Detail = b
	}
	return e
}

// Fit returns a plan whose JSON has at most so many bytes. What least helps a decision
// is left out first: the effects as they would be saved, their documents, the ends of
// long sentences and of long lists. Omitted says what.
func (p PlanResult) Fit(most int) PlanResult {
	p.Steps = slices.Clone(p.Steps)
	for _, leaveOut := range []func(*PlanResult){
		(*PlanResult).withoutEffects, (*PlanResult).withoutDiffs, (*PlanResult).withShortTexts,
		cutTo(40), cutTo(20), cutTo(10), cutTo(5), cutTo(2), (*PlanResult).withoutNames,
	} {
		if b, err := json.Marshal(p); err == nil && len(b) <= most {
			return p
		}
		leaveOut(&p)
	}
	return p
}

func (p *PlanResult) omit(what string) { p.Omitted = append(slices.Clone(p.Omitted), what) }

func (p *PlanResult) withoutEffects() {
	for i := range p.Steps {
		p.Steps[i].Effect = nil
	}
	p.omit("the effects of the steps; their documents are in the diffs")
}

func (p *PlanResult) withoutDiffs() {
	for i := range p.Steps {
		p.Steps[i].Diff = nil
	}
	p.omit("the diffs of the steps")
}

// longestText is how many bytes of a sentence stay in a plan that is too long.
const longestText = 400

func shortText(s string) string {
	if len(s) <= longestText {
		return s
	}
	return strings.ToValidUTF8(s[:longestText], "") + "..."
}

func (p *PlanResult) withShortTexts() {
	for i, s := range p.Steps {
		s.Text, s.Calls = shortText(s.Text), slices.Clone(s.Calls)
		for k, c := range s.Calls {
			s.Calls[k] = shortText(c)
		}
		p.Steps[i] = s
	}
	p.Reasons = slices.Clone(p.Reasons)
	for i, r := range p.Reasons {
		p.Reasons[i].Message, p.Reasons[i].Field = shortText(r.Message), shortText(r.Field)
	}
	for _, notes := range p.noteLists() {
		*notes.list = slices.Clone(*notes.list)
		for i, n := range *notes.list {
			(*notes.list)[i].Message = shortText(n.Message)
		}
	}
	p.omit(fmt.Sprintf("what is longer than %d bytes in a sentence", longestText))
}

type noteList struct {
	name string
	list *[]PlanNote
}

func (p *PlanResult) noteLists() []noteList {
	return []noteList{{"risks", &p.Risks}, {"cannotBeUndone", &p.Final}, {"times", &p.Times}, {"costs", &p.Costs}}
}

// cutTo keeps the first n of each list.
func cutTo(n int) func(*PlanResult) {
	return func(p *PlanResult) {
		told := func(name string, had int) {
			if had > n {
				p.omit(fmt.Sprintf("%d of the %d %s", had-n, had, name))
			}
		}
		told("steps", len(p.Steps))
		p.Steps = p.Steps[:min(n, len(p.Steps))]
		told("reasons", len(p.Reasons))
		p.Reasons = p.Reasons[:min(n, len(p.Reasons))]
		for _, notes := range p.noteLists() {
			told(notes.name, len(*notes.list))
			*notes.list = (*notes.list)[:min(n, len(*notes.list))]
		}
	}
}

// withoutNames takes out what a ticket that is wrong by itself can have made long.
func (p *PlanResult) withoutNames() {
	p.Ticket, p.Source, p.Destination, p.SameNames = "", End{}, End{}, nil
	p.omit("the names of the ticket, which are too long")
}
