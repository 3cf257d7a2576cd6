package replication

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// cannotSetRTC returns why replication time control of the job's rule cannot be set
// (now), or nil. Within a region there is none. [fact 42]
func (j *Job) cannotSetRTC(o Order, no func(later bool, r Reason, format string, args ...any) *Objection) *Objection {
	switch p := j.Phase; {
	case j.CameTooLate() || j.Ordered() || Row(p).Owner == OwnerNone && !j.Watched():
		return no(false, ReasonTargetEnded, "is %s since %s: %s", p, j.Since.UTC().Format(time.RFC3339), j.Message)
	case j.Request.Topology() == TopologySRR:
		return no(false, ReasonRTCWithinRegion, "replicates within %s", j.Request.Source.Region)
	case !j.Watched(), j.within() == PhaseBridging:
		return no(true, ReasonTargetEarly, "is not watched yet but %s: %s", p, j.Message)
	}
	return nil
}

// serveRTC begins with an order about replication time control.
func serveRTC(j *Job, o *Order, v View) Step {
	if j.Phase != PhaseWatching {
		o.serve(ResultRefused, ReasonTargetEnded, fmt.Sprintf("it is %s meanwhile: %s", j.Phase, j.Message), v)
		return again(j)
	}
	o.Watched, o.Was = j.Since, j.Request.RTC
	s := next(j, PhaseAdjusting, v)
	j.Reason, j.Message = ReasonAdjusting, fmt.Sprintf("%s turns replication time control %s", o, onOff(o.RTC))
	return s
}

func rtcIs(rule string, on bool) string {
	return fmt.Sprintf("replication time control of rule %s is %s", rule, onOff(on))
}

// hasRTC reports whether replication time control is on, or about to be. [fact 16]
func (g RuleSeen) hasRTC() bool { return g.RTC == "enabled" || g.RTC == "enabling" }

// decideAdjusting asks for what the order wants until OSS has accepted it and the list
// of rules shows it. To ask again changes nothing; the list alone proves nothing,
// because it may show what was before an older order.
func decideAdjusting(j *Job, v View) Step {
	o := j.asked(ActionSetRTC)
	if o == nil { // a job of a broken program
		return unadjusted(j, ResultUnknown, ReasonRefused, "nothing is to be changed", v)
	}
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}
	}
	put := j.Last
	accepted := put != nil && put.Effect == EffectPutRTC && put.Result == ResultDone && !put.At.Before(j.Since)
	g, ok := v.Seen.Rules.Find(j.Rule.ID, j.Request.Destination.Bucket)
	switch {
	case !ok, g.Status == RuleClosing:
		return unadjusted(j, ResultRefused, ReasonRuleVanished, fmt.Sprintf("rule %s is not there any more, or is being removed", j.Rule.ID), v)
	case accepted && g.hasRTC() == o.RTC:
		return adjusted(j, o, v)
	case accepted && v.Now.Sub(put.At) < UnseenLimit: // a read that lies behind
		return wait(j, ReasonAdjusting, fmt.Sprintf("it was accepted that %s, but the list of rules does not show it yet", rtcIs(g.ID, o.RTC)), v.after(unseenEvery))
	}
	if o.RTC {
		if !v.Seen.Has(LookLocations) {
			return Step{Look: LookLocations}
		}
		if to := j.Request.Destination.Region; !slices.Contains(v.Seen.Locations.RTC, to) {
			return unadjusted(j, ResultRefused, ReasonRTCNotOffered, fmt.Sprintf("replication time control is not offered from %s to %s; it is to %s",
				j.Request.Source.Region, to, strings.Join(v.Seen.Locations.RTC, ", ")), v)
		}
	}
	return Step{Effect: &Effect{Kind: EffectPutRTC, RuleID: g.ID, RTC: o.RTC}}
}

// settleAdjusting takes down what OSS has accepted, whatever becomes of reading it back.
func settleAdjusting(j *Job, o Outcome, _ View) {
	if order := j.asked(ActionSetRTC); order != nil && o.Effect == EffectPutRTC && o.Result == ResultDone {
		j.Request.RTC = order.RTC
	}
}

// adjusted goes back to the watch, which from here on holds the pair to the other
// limit. Every later comparison expects the rule as it is now.
func adjusted(j *Job, o *Order, v View) Step {
	message := rtcIs(j.Rule.ID, o.RTC)
	o.serve(ResultDone, "", message, v)
	s := watchAgain(j, ReasonRTCSet, fmt.Sprintf("%s (%s)", message, o), v)
	if o.Was == o.RTC { // so it was before
		j.Since = o.Watched
	}
	return s
}

// unadjusted goes back to the watch with the rule as it was.
func unadjusted(j *Job, result Result, r Reason, message string, v View) Step {
	o := j.asked(ActionSetRTC)
	if o == nil {
		return watchAgain(j, ReasonRTCUnchanged, message, v)
	}
	o.serve(result, r, message, v)
	s := watchAgain(j, ReasonRTCUnchanged, fmt.Sprintf("%s (%s)", message, o), v)
	if j.Request.RTC == o.Was {
		j.Since = o.Watched
	}
	return s
}

func watchAgain(j *Job, r Reason, message string, v View) Step {
	j.Crashes = 0
	s := next(j, PhaseWatching, v)
	j.Reason, j.Message = r, message
	j.emit(EventChanged, r, message, v.Now)
	return s
}
