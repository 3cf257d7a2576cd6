package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Previews are what only plans look at. A job never does.
type Previews interface {
	// Lifecycle reads the lifecycle rules of a bucket; none are no error.
	Lifecycle(ctx context.Context, e replication.End) (replication.LifecycleSeen, error)
	// SameNames compares what both buckets list under the prefixes; no prefix means
	// all. It gives up after a fixed number of calls and says how far it came.
	SameNames(ctx context.Context, source, destination replication.End, prefixes []string) (replication.SameNamesSeen, error)
}

// more reads what a plan shows beyond what jobs decide by, side by side. A right that
// is missing is told in the plan, which is of use without it; any other failure is
// returned.
func (e *Engine) more(ctx context.Context, r replication.Request, l replication.MoreLooks) (replication.More, error) {
	ctx, cancel := context.WithTimeout(ctx, e.hasten(CallTimeout))
	defer cancel()
	var m replication.More
	var reads []func() error
	if l.Lifecycles {
		read := func(end replication.End, into **replication.LifecycleSeen) func() error {
			return func() error {
				v, err := e.Previews.Lifecycle(ctx, end)
				if fault.Of(err) == fault.Denied {
					v, err = replication.LifecycleSeen{Unread: unread(err)}, nil
				}
				*into = &v
				return err
			}
		}
		reads = append(reads, read(r.Source, &m.SourceLifecycle), read(r.Destination, &m.DestinationLifecycle))
	}
	if l.SameNames {
		reads = append(reads, func() error {
			v, err := e.Previews.SameNames(ctx, r.Source, r.Destination, r.Objects.Prefixes)
			if fault.Of(err) == fault.Denied {
				v, err = replication.SameNamesSeen{Unread: unread(err)}, nil
			}
			m.SameNames = &v
			return err
		})
	}
	errs := make([]error, len(reads))
	var wg sync.WaitGroup
	for i, f := range reads {
		wg.Go(func() {
			defer func() { // a panic of an SDK would end the process
				if p := recover(); p != nil {
					errs[i] = &fault.Error{Kind: fault.Retryable, Op: "look", Err: fmt.Errorf("panic: %v", p)}
				}
			}()
			errs[i] = f()
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

// unread words a refusal: which call was refused, with which code.
func unread(err error) string {
	t := trouble(err)
	return fmt.Sprintf("%s answered %s; the right to that call is missing", t.Op, t.Code)
}
