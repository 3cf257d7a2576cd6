package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// act carries out one effect and says how it ended. It does not return before the
// call has ended.
func (s *session) act(ctx context.Context, e replication.Effect) replication.Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.e.hasten(EffectTimeout))
	defer cancel()
	ctx, count := s.count(ctx)
	o := replication.Outcome{Effect: e.Kind, Result: replication.ResultDone}
	err := s.call(ctx, e, &o)
	s.job.Calls += count()
	if err == nil {
		return o
	}
	t := trouble(err)
	if e.Kind == replication.EffectPutRule && t.Kind == replication.TroubleDenied && t.Code == codeRoleUnfit {
		t.Kind = replication.TroubleRoleUnfit
	}
	if strings.HasPrefix(t.Code, codeKeyUnfit) && t.Kind == replication.TroubleDenied {
		t.Kind = replication.TroubleKey
	}
	o.Trouble = &t
	switch fault.Of(err) {
	case fault.Exists:
		o.Result = replication.ResultExists
	case fault.NotFound:
		o.Result = replication.ResultRefused
		if e.Kind.TakesAway() { // gone already
			o.Result, o.Trouble = replication.ResultDone, nil
		}
	case fault.Unknown, fault.Retryable, fault.Conflict:
		o.Result = replication.ResultUnknown // a service that failed may have done it all the same
	default:
		o.Result = replication.ResultRefused
	}
	return o
}

// codeRoleUnfit is what OSS answers when it cannot use the role of the rule; a
// right that the caller lacks has another code. [fact 24]
const codeRoleUnfit = "NoPermission"

// codeKeyUnfit begins the codes with which OSS answers when a key of KMS cannot be
// used: KeyNotFound, KeyDisabled, KeyPendingDeletion, KeyPendingImport.
const codeKeyUnfit = "Key"

// codeNoBucket is what OSS answers when a bucket is not there: nothing else of the
// pair can be found then, and no trying again helps.
const codeNoBucket = "NoSuchBucket"

func (s *session) call(ctx context.Context, e replication.Effect, o *replication.Outcome) error {
	eng, r := s.e, s.job.Request
	var err error
	switch e.Kind {
	case replication.EffectClaimPair:
		o.Owner, err = eng.Pairs.Claim(ctx, r.Pair(), r.ID)
	case replication.EffectReleasePair:
		if e.GiveBackSlot { // first: without the pair nobody would come back for it
			err = eng.Slots.GiveBack(ctx, r.ID)
		}
		if err == nil {
			err = eng.Pairs.Release(ctx, r.Pair(), r.ID)
		}
	case replication.EffectTakeSlot:
		var s replication.SlotSeen
		s, err = eng.Slots.Take(ctx, r.ID, *e.Slot)
		o.Slot = &s
	case replication.EffectCreateRole:
		o.RequestID, err = eng.Grants.CreateRole(ctx, e.Role, e.Document, e.Description)
	case replication.EffectCreatePol:
		o.RequestID, err = eng.Grants.CreatePolicy(ctx, e.Policy, e.Document, e.Description)
	case replication.EffectAttach:
		o.RequestID, err = eng.Grants.Attach(ctx, e.Role, replication.PolicyCustom, e.Policy)
	case replication.EffectAttachSystem:
		o.RequestID, err = eng.Grants.Attach(ctx, e.Role, replication.PolicySystem, e.Policy)
	case replication.EffectPutRule:
		o.RuleID, o.RequestID, err = eng.Rules.PutRule(ctx, *e.Rule)
	case replication.EffectCloseRule:
		err = eng.Rules.CloseRule(ctx, r.Source, e.RuleID)
	case replication.EffectPutRTC:
		o.RequestID, err = eng.Rules.PutRTC(ctx, r.Source, e.RuleID, e.RTC)
	case replication.EffectPutCanary, replication.EffectPutOutside, replication.EffectPutUntagged, replication.EffectOverwrite:
		var stored replication.ObjectSeen
		if stored, err = eng.Objects.Put(ctx, r.Source, *e.Object); err == nil {
			o.Object = &stored
		}
	case replication.EffectDelete:
		err = eng.Objects.Delete(ctx, r.Source, e.Object.Key)
	case replication.EffectCleanUp:
		o.LeftOver, err = eng.Objects.Purge(ctx, r.Source, e.Keys)
	case replication.EffectDetach:
		o.RequestID, err = eng.Grants.Detach(ctx, e.Role, replication.PolicyCustom, e.Policy)
	case replication.EffectDetachSystem:
		o.RequestID, err = eng.Grants.Detach(ctx, e.Role, replication.PolicySystem, e.Policy)
	case replication.EffectDeletePol:
		o.RequestID, err = eng.Grants.DeletePolicy(ctx, e.Policy)
	case replication.EffectDeleteRole:
		o.RequestID, err = eng.Grants.DeleteRole(ctx, e.Role)
	case replication.EffectGrant, replication.EffectRevoke, replication.EffectGrantKey, replication.EffectRevokeKey:
		change := eng.Destinations.Grant
		if e.Kind.TakesAway() {
			change = eng.Destinations.Revoke
		}
		var g replication.Granting
		if g, err = change(ctx, r.Destination, r.ID, *e.Grant); err == nil {
			o.Grant = &g
		}
	case replication.EffectOrder:
		o.Target, err = s.order(ctx, r.Target, *e.Order)
	default:
		err = &fault.Error{Kind: fault.Terminal, Op: string(e.Kind), Err: errors.New("this version does not know the effect")}
	}
	return err
}

// trouble translates an error into the domain. What it keeps holds no secret:
// fault errors are redacted.
func trouble(err error) replication.Trouble {
	t := replication.Trouble{Kind: replication.TroublePassing, Message: fault.Line(err.Error()), After: fault.After(err)}
	var f *fault.Error
	if errors.As(err, &f) {
		t.Op, t.Code, t.RequestID = f.Op, f.Code, f.RequestID
		t.Message = ""
		if f.Err != nil {
			t.Message = fault.Line(f.Err.Error())
		}
		if f.Resource != "" {
			t.Op = fmt.Sprintf("%s %s", f.Op, f.Resource)
		}
	}
	if unreadable(err) {
		t.Kind, t.Op = replication.TroubleUnread, "reading the journal of the target"
		return t
	}
	switch fault.Of(err) {
	case fault.Throttled:
		t.Kind = replication.TroubleThrottled
	case fault.Denied:
		t.Kind = replication.TroubleDenied
	case fault.Quota:
		t.Kind = replication.TroubleQuota
	case fault.Terminal:
		t.Kind = replication.TroubleFinal
	case fault.NotFound:
		if t.Code == codeNoBucket {
			t.Kind = replication.TroubleGone
		}
	}
	return t
}
