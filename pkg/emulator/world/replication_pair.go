package world

import "time"

// pairName is a source and a destination bucket.
type pairName struct{ source, destination string }

// A pair is what is known of two buckets beyond the life of a rule.
type pair struct {
	delay  time.Duration
	paused bool
	stats  ReplicationStats
}

func (w *World) pairOf(r *Rule) *pair { return w.pair(r.Source, r.Destination) }

func (w *World) pair(source, destination string) *pair {
	name := pairName{source, destination}
	p := w.repl.pairs[name]
	if p == nil {
		p = &pair{}
		w.repl.pairs[name] = p
	}
	return p
}

// ReplicationStats is what replication between two buckets has done so far, over
// all rules that the pair has had. OSS tells nobody; it is for tests.
type ReplicationStats struct {
	Copied     int   // versions and delete markers that arrived
	Bytes      int64 // of those
	Parts      int   // parts of multipart uploads that arrived
	Removed    int   // deletes of a version that were carried out
	Skipped    int   // left out silently, or gone from the source before their turn
	Refused    int   // tries that ended at a missing right or an unfit destination
	Pending    int   // what is not done yet, by the rules that are starting or doing
	OutOfScope int   // copies that the rule, as its client sent it, does not cover
}

// ReplicationStats returns what replication between two buckets has done so far.
func (w *World) ReplicationStats(source, destination string) ReplicationStats {
	w.enter()
	defer w.mu.Unlock()
	s := w.pair(source, destination).stats
	for _, r := range w.rulesOfPair(source, destination) {
		s.Pending += len(r.run.history)
		for _, l := range r.run.lanes {
			s.Pending += len(l.tasks)
		}
	}
	return s
}

// ThrottlePair makes replication between two buckets slow: each copy takes so much
// longer, whatever the world's speed, and only one runs at a time. It also counts
// for copies that have begun. 0 takes it back.
func (w *World) ThrottlePair(source, destination string, delay time.Duration) {
	now := w.enter()
	defer w.mu.Unlock()
	w.pair(source, destination).delay = max(delay, 0)
	for _, r := range w.rulesOfPair(source, destination) {
		for kind := range r.run.running {
			for _, l := range r.run.running[kind] {
				w.timeLane(r, l, now)
			}
		}
		w.pump(r, now)
	}
}

// PausePair halts replication between two buckets, or lets it go on. Copies that
// have begun are put back.
func (w *World) PausePair(source, destination string, paused bool) {
	now := w.enter()
	defer w.mu.Unlock()
	w.pair(source, destination).paused = paused
	for _, r := range w.rulesOfPair(source, destination) {
		w.pump(r, now)
	}
}

// rulesOfPair returns the rules of a pair that are not closing: at most one.
func (w *World) rulesOfPair(source, destination string) (rules []*Rule) {
	for _, r := range w.repl.rules {
		if r.Source == source && r.Destination == destination && r.Status != RuleClosing && w.stands(r) {
			rules = append(rules, r)
		}
	}
	return rules
}

// DropElement makes OSS lose an element of every rule that is put from now on,
// without a word: "PrefixSet", "Action", "UserTaggings", "HistoricalObjectReplication",
// "SyncRole", "TransferType", "RTC", "SourceSelectionCriteria" or
// "EncryptionConfiguration". The rule then works without it. It returns the
// function that takes this back, and panics on any other name.
func (w *World) DropElement(element string) (restore func()) {
	w.enter()
	defer w.mu.Unlock()
	if !dropElement(&Rule{}, element) {
		panic("world: a replication rule has no element " + element)
	}
	w.repl.dropped[element] = true
	return func() {
		w.enter()
		defer w.mu.Unlock()
		delete(w.repl.dropped, element)
	}
}

// dropElement sets an element to what it is when it was never sent.
func dropElement(r *Rule, element string) (known bool) {
	switch element {
	case "PrefixSet":
		r.Prefixes = nil
	case "Action":
		r.Action = "ALL"
	case "UserTaggings":
		r.Tags = nil
	case "HistoricalObjectReplication":
		r.Historical = true
	case "SyncRole":
		r.SyncRole = ""
	case "TransferType":
		r.TransferType = "internal"
	case "RTC":
		r.RTC = ""
	case "SourceSelectionCriteria":
		r.KMS, r.KMSKeyID = "", ""
	case "EncryptionConfiguration":
		r.KMSKeyID = ""
	default:
		return false
	}
	return true
}
