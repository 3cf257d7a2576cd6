// Package discover finds the replication rules of an account that no ticket manages,
// and words the tickets that would adopt them. It only reads.
package discover

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Cloud is what is read of the cloud. Errors are those of package fault.
type Cloud interface {
	// Buckets lists the buckets of the account in all regions; region is that of the
	// endpoint that is asked.
	Buckets(ctx context.Context, region string) ([]replication.End, error)
	Bucket(ctx context.Context, e replication.End) (replication.BucketSeen, error)
	Rules(ctx context.Context, source replication.End) (replication.RulesSeen, error)
}

// Pairs tells who owns a pair of buckets; "" is nobody.
type Pairs interface {
	Owner(ctx context.Context, pair string) (string, error)
}

// SideBySide is how many buckets are read at a time. The calls that read settings of
// buckets share a quota with those of everybody else in the account.
const SideBySide = 8

// A Scan looks through one account. All fields but Progress are required.
type Scan struct {
	Cloud  Cloud
	Pairs  Pairs
	Desk   replication.Desk
	Region string // of the endpoint that lists the buckets
	// Progress is told how many of the buckets are read; nil is not told. It is called
	// by one goroutine at a time.
	Progress func(done, all int)
}

// A Report is what was found.
type Report struct {
	Buckets int       // of the account
	Managed int       // rules that a ticket manages
	Rules   []Finding // those that none does, in the order of their sources and destinations
	Unread  []Unread  // buckets whose rules could not be read, in order
}

// A Finding is a rule that nobody manages.
type Finding struct {
	Source replication.End
	Rule   replication.RuleSeen
	// Ticket adopts the rule as it stands. Problems say why it cannot be sent; none: it can.
	Ticket   replication.Request
	Problems replication.Problems
}

// Unread is a bucket that could not be read.
type Unread struct {
	Bucket replication.End
	Err    error
}

// Run looks through the account. An error means that its buckets could not be listed,
// or that ctx has ended; what cannot be read of single buckets is in the report.
func (s Scan) Run(ctx context.Context) (Report, error) {
	var p patience
	var buckets []replication.End
	err := p.call(ctx, func() (err error) {
		buckets, err = s.Cloud.Buckets(ctx, s.Region)
		return err
	})
	if err != nil {
		return Report{}, err
	}
	accounts := map[string]string{} // of the buckets that we own
	for _, b := range buckets {
		accounts[b.Bucket] = b.Account
	}
	r := Report{Buckets: len(buckets)}
	var mu sync.Mutex
	done := 0
	s.tell(0, len(buckets))
	inParallel(len(buckets), func(i int) {
		found, managed, err := s.bucket(ctx, &p, buckets[i], accounts)
		mu.Lock()
		defer mu.Unlock()
		r.Rules, r.Managed = append(r.Rules, found...), r.Managed+managed
		if err != nil {
			r.Unread = append(r.Unread, Unread{buckets[i], err})
		}
		done++
		s.tell(done, len(buckets))
	})
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	slices.SortFunc(r.Rules, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Source.Bucket, b.Source.Bucket), cmp.Compare(a.Rule.Destination, b.Rule.Destination))
	})
	slices.SortFunc(r.Unread, func(a, b Unread) int { return cmp.Compare(a.Bucket.Bucket, b.Bucket.Bucket) })
	return r, nil
}

func (s Scan) tell(done, all int) {
	if s.Progress != nil {
		s.Progress(done, all)
	}
}

// bucket looks at the rules of one source.
func (s Scan) bucket(ctx context.Context, p *patience, source replication.End, accounts map[string]string) (found []Finding, managed int, err error) {
	var rules replication.RulesSeen
	err = p.call(ctx, func() (err error) {
		rules, err = s.Cloud.Rules(ctx, source)
		return err
	})
	if fault.Of(err) == fault.NotFound { // deleted since it was listed
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	for _, g := range rules.Rules {
		pair := replication.Request{Source: source, Destination: replication.End{Bucket: g.Destination}}.Pair()
		var owner string
		err := p.call(ctx, func() (err error) {
			owner, err = s.Pairs.Owner(ctx, pair)
			return err
		})
		if err != nil {
			return found, managed, err
		}
		if owner != "" {
			managed++
			continue
		}
		f := Finding{Source: source, Rule: g}
		f.Ticket, f.Problems = replication.AdoptionOf(source, g, s.account(ctx, p, g, accounts), s.Desk)
		found = append(found, f)
	}
	return found, managed, nil
}

// account returns the account of a rule's destination, or "": the rule does not show
// it. What is not ours can be that of an account that the desk works in.
func (s Scan) account(ctx context.Context, p *patience, g replication.RuleSeen, ours map[string]string) string {
	if a, ok := ours[g.Destination]; ok {
		return a
	}
	for _, a := range s.Desk.Accounts {
		end := replication.RuleEnd(a.UID, g)
		var seen replication.BucketSeen
		err := p.call(ctx, func() (err error) {
			seen, err = s.Cloud.Bucket(ctx, end)
			return err
		})
		if err == nil && seen.Is == replication.Exists {
			return seen.Owner
		}
	}
	return ""
}

// inParallel calls f for 0 to n-1, [SideBySide] at a time.
func inParallel(n int, f func(int)) {
	var wg sync.WaitGroup
	free := make(chan struct{}, SideBySide)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
	wg.Wait()
}

// patience repeats calls that failed for a passing reason, and holds all of them up
// while the cloud asks for fewer.
type patience struct {
	mu    sync.Mutex
	until time.Time // no call before
	holds int       // in a row, without a call that succeeded in between
}

const (
	// tries bounds how often one call is repeated that fails for a passing reason.
	tries = 8
	// longestThrottled bounds how long one call waits for a cloud that asks for fewer:
	// that uses up no try.
	longestThrottled = 10 * time.Minute
	// longestPause is the longest pause between two tries that nobody asked for.
	longestPause = 30 * time.Second
)

// call makes a call until it succeeds, fails for good, or was tried often enough.
// Pauses double from half a second, or are what the service asks for.
func (p *patience) call(ctx context.Context, f func() error) error {
	for n, began := 1, time.Now(); ; {
		if err := p.wait(ctx); err != nil {
			return err
		}
		err := f()
		switch kind := fault.Of(err); {
		case err == nil:
			p.calm()
			return nil
		case kind == fault.Throttled && time.Since(began) < longestThrottled:
			p.hold(fault.After(err))
		case (kind == fault.Retryable || kind == fault.Unknown) && n < tries:
			if err := sleep(ctx, pause(n)); err != nil {
				return err
			}
			n++
		default:
			return err
		}
	}
}

// pause returns how long to wait after the nth failure in a row.
func pause(n int) time.Duration {
	return min(time.Second<<min(n-1, 10)/2, longestPause)
}

// hold keeps every call from being made for a while: what the service asks for, but a
// minute at most, or longer with each time in a row.
func (p *patience) hold(asked time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) { // one that was under way when the hold began
		return
	}
	p.holds++
	p.until = time.Now().Add(max(pause(p.holds), min(asked, time.Minute)))
}

func (p *patience) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = 0
}

func (p *patience) wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		d := time.Until(p.until)
		p.mu.Unlock()
		if d <= 0 {
			return ctx.Err()
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
