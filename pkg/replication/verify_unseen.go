package replication

import "time"

// awaitUnseen waits for the canary at a destination that does not let us look: the
// watermark past its write says that it was copied. [fact 10]
func awaitUnseen(j *Job, v View) Step {
	if !v.Seen.Has(LookProgress) {
		return Step{Look: LookProgress}
	}
	p, g := j.Verification, v.Seen.Progress
	switch {
	case g.Is == Missing, g.Status == RuleClosing:
		return vanished(j, v)
	case !g.Watermark.After(p.Written):
		return underway(j, ReasonCanaryLost, "the canary "+p.Key+", which the destination does not let us see,", v)
	}
	j.Rule.Gone = time.Time{}
	p.Unseen, p.Watermark, p.Seconds = true, g.Watermark, v.Now.Sub(p.Written).Seconds()
	advance(p, StepCleanUp, v)
	return again(j)
}

// concludeUnseen writes the evidence where the destination does not let us look.
func concludeUnseen(j *Job, left []string, v View) {
	p := j.Verification
	e := &Evidence{By: "watermark", Unseen: true, At: v.Now, Key: p.Key, Seconds: p.Seconds, WatermarkBefore: p.Written, Watermark: p.Watermark,
		Outside: "not checked: the destination does not let us look"}
	for _, k := range left {
		e.LeftBehind = append(e.LeftBehind, j.Request.Source.Bucket+"/"+k)
	}
	if !j.deletionGoes() || j.Versioned {
		e.LeftBehind = append(e.LeftBehind, "perhaps the copy "+j.Request.Destination.Bucket+"/"+p.Key)
	}
	j.Evidence = e
}
