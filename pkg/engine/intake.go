package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Accept takes one message in, before any work: a wake gives its hint; a ticket in
// order stands its marker and gives a hint; one that asks for a plan only gives a hint
// that holds it, see [Engine.Answer]; a bad ticket is answered and buried and gives none. Only an error may make the trigger deliver the message again.
func (e *Engine) Accept(ctx context.Context, message []byte) (hint Hint, ok bool, err error) {
	body := plain(message)
	if h, is := wakeOf(body); is {
		return h, true, nil
	}
	r, problems := replication.Parse(body)
	if r.DryRun {
		return Hint{Job: r.ID, DryRun: newDryRun(r, problems, body)}, true, nil
	}
	if len(problems) == 0 {
		problems = replication.Validate(r, e.Desk)
	}
	if len(problems) > 0 {
		return Hint{}, false, e.refuse(ctx, r.ID, body, problems)
	}
	h, ok, err := e.admit(ctx, r, body)
	if unreadable(err) {
		// Coming again would not help, and would keep every other message waiting.
		e.logger().Error("the journal of a ticket cannot be read", "ticket", r.ID, "error", err)
		return Hint{}, false, e.refuse(ctx, r.ID, body, replication.Unreadable(r.ID))
	}
	return h, ok, err
}

// errUnreadable says that an entry does not hold a job.
var errUnreadable = errors.New("the entry does not hold a job")

// unreadable reports whether the journal of one job is damaged, or written by a
// newer version that does not want this one to touch it.
func unreadable(err error) bool {
	var broken *journal.BrokenError
	var tooNew *journal.TooNewError
	return errors.Is(err, errUnreadable) || errors.As(err, &broken) || errors.As(err, &tooNew)
}

// admit stands the marker and compares the ticket with what is known under its id.
func (e *Engine) admit(ctx context.Context, r replication.Request, body []byte) (Hint, bool, error) {
	print := r.Fingerprint()
	created, err := e.Marks.Open(ctx, r.ID, body)
	if err != nil {
		return Hint{}, false, fmt.Errorf("take in ticket %s: %w", r.ID, err)
	}
	// A listing that lags behind must not make a job look new: entry 1 is asked for.
	snap, err := e.Journal.LoadAtLeast(ctx, journal.Job(r.ID), 1)
	if err != nil {
		return Hint{}, false, fmt.Errorf("load job %s: %w", r.ID, err)
	}
	if snap.Seq == 0 {
		return e.admitFirst(ctx, r, body, created)
	}
	job, err := replication.Decode(snap.Body)
	if err != nil {
		return Hint{}, false, &fault.Error{Kind: fault.Terminal, Op: "Decode", Resource: r.ID, Err: errors.Join(errUnreadable, err)}
	}
	switch {
	case job.CameTooLate() && r.Action.HasPair() && !job.AtRest():
		return Hint{Job: r.ID}, true, nil // its result is still to be sent
	case job.Fingerprint != print && !(job.CameTooLate() && r.Action.HasPair()):
		if job.AtRest() {
			if err := e.Marks.Rest(ctx, job, snap.Seq); err != nil {
				return Hint{}, false, err
			}
		}
		return Hint{}, false, e.refuse(ctx, r.ID, body, replication.IDReused(r.ID))
	case job.AtRest():
		if job.LastEvent != nil {
			if err := e.Bus.Publish(ctx, *job.LastEvent); err != nil {
				return Hint{}, false, err
			}
		}
		return Hint{}, false, e.Marks.Rest(ctx, job, snap.Seq)
	}
	return Hint{Job: r.ID}, true, nil
}

// admitFirst settles who was first when the job has not begun: the ticket in the
// marker is the one that counts.
func (e *Engine) admitFirst(ctx context.Context, r replication.Request, body []byte, created bool) (Hint, bool, error) {
	if created {
		return Hint{Job: r.ID}, true, nil
	}
	ticket, err := e.Marks.Opened(ctx, r.ID)
	if err != nil {
		return Hint{}, false, fmt.Errorf("read the ticket of %s: %w", r.ID, err)
	}
	first, problems := replication.Parse(ticket)
	if len(problems) == 0 && first.Fingerprint() == r.Fingerprint() {
		return Hint{Job: r.ID}, true, nil
	}
	return Hint{}, false, e.refuse(ctx, r.ID, body, replication.IDReused(r.ID))
}

// refuse answers a bad ticket and buries it. It is never tried again; only when
// the answer cannot be sent does the message have to come back.
func (e *Engine) refuse(ctx context.Context, id string, body []byte, p replication.Problems) error {
	sum := sha256.Sum256(body)
	ev := replication.Refusal(id, hex.EncodeToString(sum[:8]), p, time.Now())
	e.logger().Warn("ticket refused", "ticket", ev.Job, "reason", ev.Reason, "message", ev.Message)
	if err := e.Bus.Publish(ctx, ev); err != nil {
		return fmt.Errorf("answer ticket %s: %w", ev.Job, err)
	}
	if err := e.Bus.Bury(ctx, body, p[0]); err != nil {
		return fmt.Errorf("bury ticket %s: %w", ev.Job, err)
	}
	return nil
}

// plain undoes base64 where there is any: a ticket begins with a brace, which
// base64 has not.
func plain(message []byte) []byte {
	t := bytes.TrimSpace(message)
	if len(t) == 0 || t[0] == '{' {
		return t
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(string(t)); err == nil {
			return bytes.TrimSpace(b)
		}
	}
	return t
}

// wakeOf reads a wake, which is one member named "wake" and nothing else.
func wakeOf(body []byte) (Hint, bool) {
	var m struct {
		Wake *struct {
			Job string `json:"job"`
			Rev uint64 `json:"rev"`
		} `json:"wake"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil || m.Wake == nil || !replication.ValidID(m.Wake.Job) {
		return Hint{}, false
	}
	return Hint{Job: m.Wake.Job, Rev: m.Wake.Rev}, true
}
