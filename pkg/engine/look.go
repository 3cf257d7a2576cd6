package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// look reads what l asks for, side by side, and adds it to what was seen. It
// returns the trouble of the read that failed, or nil. It returns when every read
// has ended.
func (s *session) look(ctx context.Context, l replication.Look) *replication.Trouble {
	ctx, cancel := context.WithTimeout(ctx, s.e.hasten(CallTimeout))
	defer cancel()
	ctx, count := s.count(ctx)
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		first error
	)
	missing := s.seen.Missing(l)
	for _, r := range s.reads() {
		if missing&r.look == 0 {
			continue
		}
		wg.Go(func() {
			put, err := r.guarded(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				put(&s.seen)
			} else if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	s.job.Calls += count()
	if first == nil {
		return nil
	}
	t := trouble(first)
	s.log.Warn("a look failed", "phase", s.job.Phase, "error", first)
	return &t
}

func (s *session) count(ctx context.Context) (context.Context, func() int) {
	if s.e.Count == nil {
		return ctx, func() int { return 0 }
	}
	return s.e.Count(ctx)
}

// A read is how one thing is looked at. It returns what puts it into the seen.
type read struct {
	look replication.Look
	read func(context.Context) (func(*replication.Seen), error)
}

// guarded turns a panic of an SDK into an error: it would end the process, and
// with it every other job of the invocation.
func (r read) guarded(ctx context.Context) (put func(*replication.Seen), err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &fault.Error{Kind: fault.Retryable, Op: "look", Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	return r.read(ctx)
}

// seeing makes a read of a call that returns a T.
func seeing[T any](l replication.Look, call func(context.Context) (T, error), put func(*replication.Seen, *T)) read {
	return read{look: l, read: func(ctx context.Context) (func(*replication.Seen), error) {
		v, err := call(ctx)
		return func(s *replication.Seen) { put(s, &v) }, err
	}}
}

func (s *session) reads() []read {
	e, j, r := s.e, s.job, s.job.Request
	type seen = replication.Seen
	bucket := func(end replication.End) func(context.Context) (replication.BucketSeen, error) {
		return func(ctx context.Context) (replication.BucketSeen, error) { return e.Rules.Bucket(ctx, end) }
	}
	head := func(key func() string) func(context.Context) (replication.ObjectSeen, error) {
		return func(ctx context.Context) (replication.ObjectSeen, error) {
			return e.Objects.Head(ctx, r.Destination, key())
		}
	}
	role, policy := r.RoleName(), r.PolicyName()
	return []read{
		seeing(replication.LookSource, bucket(r.Source), func(s *seen, v *replication.BucketSeen) { s.Source = v }),
		seeing(replication.LookDestination, bucket(r.Destination), func(s *seen, v *replication.BucketSeen) { s.Destination = v }),
		seeing(replication.LookLocations, func(ctx context.Context) (replication.LocationsSeen, error) {
			return e.Rules.Locations(ctx, r.Source)
		}, func(s *seen, v *replication.LocationsSeen) { s.Locations = v }),
		seeing(replication.LookRules, func(ctx context.Context) (replication.RulesSeen, error) {
			v, err := e.Rules.Rules(ctx, r.Source)
			if j.Ordered() && fault.Of(err) == fault.NotFound { // a bucket that is gone has no rules
				return replication.RulesSeen{}, nil
			}
			return v, err
		}, func(s *seen, v *replication.RulesSeen) { s.Rules = v }),
		seeing(replication.LookProgress, func(ctx context.Context) (replication.ProgressSeen, error) {
			return e.Rules.Progress(ctx, r.Source, s.ruleToPoll())
		}, func(s *seen, v *replication.ProgressSeen) { s.Progress = v }),
		seeing(replication.LookRole, func(ctx context.Context) (replication.RoleSeen, error) { return e.Grants.Role(ctx, role) },
			func(s *seen, v *replication.RoleSeen) { s.Role = v }),
		seeing(replication.LookPolicy, func(ctx context.Context) (replication.PolicySeen, error) { return e.Grants.Policy(ctx, policy) },
			func(s *seen, v *replication.PolicySeen) { s.Policy = v }),
		seeing(replication.LookAttachment, func(ctx context.Context) (replication.AttachmentSeen, error) {
			a, err := e.Grants.Attached(ctx, role, policy)
			if fault.Of(err) == fault.NotFound { // without a role nothing is attached to it
				return replication.AttachmentSeen{}, nil
			}
			return a, err
		}, func(s *seen, v *replication.AttachmentSeen) { s.Attachment = v }),
		seeing(replication.LookRights, func(ctx context.Context) (replication.RightsSeen, error) { return e.Grants.Rights(ctx, role) },
			func(s *seen, v *replication.RightsSeen) { s.Rights = v }),
		seeing(replication.LookCanary, func(ctx context.Context) (replication.ObjectSeen, error) {
			o, err := e.Objects.Head(ctx, r.Destination, j.Verification.Key)
			if e.Desk.Handshake(r) && fault.Of(err) == fault.Denied { // its owner does not have to let us look
				return replication.ObjectSeen{Is: replication.Foreign}, nil
			}
			return o, err
		}, func(s *seen, v *replication.ObjectSeen) { s.Canary = v }),
		seeing(replication.LookOutside, head(func() string { return j.Verification.OutsideKey }), func(s *seen, v *replication.ObjectSeen) { s.Outside = v }),
		seeing(replication.LookUntagged, head(func() string { return j.Verification.UntaggedKey }), func(s *seen, v *replication.ObjectSeen) { s.Untagged = v }),
		seeing(replication.LookDestinationEmpty, func(ctx context.Context) (bool, error) {
			return e.Objects.Empty(ctx, r.Destination, r.Objects.Prefixes)
		}, func(s *seen, v *bool) { s.DestinationEmpty = v }),
		seeing(replication.LookPolicyUse, func(ctx context.Context) (replication.PolicyUseSeen, error) {
			u, err := e.Grants.PolicyUse(ctx, policy)
			if fault.Of(err) == fault.NotFound {
				return replication.PolicyUseSeen{}, nil
			}
			return u, err
		}, func(s *seen, v *replication.PolicyUseSeen) { s.PolicyUse = v }),
		seeing(replication.LookSourceEncryption, s.encryption(r.Source), func(s *seen, v *replication.EncryptionSeen) { s.SourceEncryption = v }),
		seeing(replication.LookDestinationEncryption, s.encryption(r.Destination), func(s *seen, v *replication.EncryptionSeen) { s.DestinationEncryption = v }),
		seeing(replication.LookSample, s.sample, func(s *seen, v *replication.SampleSeen) { s.Sample = v }),
		seeing(replication.LookKey, s.key, func(s *seen, v *replication.KeySeen) { s.Key = v }),
		seeing(replication.LookKeyPolicy, s.keyPolicy, func(s *seen, v *replication.KeyPolicySeen) { s.KeyPolicy = v }),
		seeing(replication.LookTarget, s.target, func(s *seen, v *replication.TargetSeen) { s.Target = v }),
		seeing(replication.LookBucketPolicy, func(ctx context.Context) (replication.BucketPolicySeen, error) {
			return e.Destinations.BucketPolicy(ctx, r.Destination)
		}, func(s *seen, v *replication.BucketPolicySeen) { s.BucketPolicy = v }),
		seeing(replication.LookGap, func(ctx context.Context) (replication.GapSeen, error) {
			return e.Objects.Gap(ctx, r.Source, r.Destination, r.Objects.Prefixes, *j.Gap)
		}, func(s *seen, v *replication.GapSeen) { s.Gap = v }),
		seeing(replication.LookOwner, s.owner, func(s *seen, v *replication.OwnerSeen) { s.Owner = v }),
	}
}

// ruleToPoll returns the rule whose progress is looked at: that of the job or, before a
// replacement has one, that of its target.
func (s *session) ruleToPoll() string {
	switch t := s.seen.Target; {
	case s.job.Rule != nil:
		return s.job.Rule.ID
	case t != nil:
		return t.Rule
	}
	return ""
}
