package combos

// A conflict is what cannot be in one ticket, with the reason code of the refusal.
type conflict struct {
	code string
	in   func(c Combo) bool
}

// conflicts are what the source documents exclude.
var conflicts = []conflict{
	{"objects.tags-with-deletes", func(c Combo) bool { return !c.Is(Tags, "no tags") && c.Is(Deletes, "with deletes") }},                 // B22
	{"transfer.within-region", func(c Combo) bool { return c.Is(Regions, "one region") && c.Is(Acceleration, "accelerated") }},           // A46
	{"rtc.within-region", func(c Combo) bool { return c.Is(Regions, "one region") && c.Is(RTC, "with RTC") }},                            // A49
	{"transfer.acceleration-needed", func(c Combo) bool { return c.Is(Regions, "across the border") && c.Is(Acceleration, "internal") }}, // A47
	{"transfer.acceleration-not-offered", func(c Combo) bool {
		return (c.Is(Regions, "within mainland") || c.Is(Regions, "outside mainland")) && c.Is(Acceleration, "accelerated")
	}}, // A47
	{"rtc.not-offered", func(c Combo) bool { return c.Is(Regions, "across the border") && c.Is(RTC, "with RTC") }}, // A49, A50
	{"historical.would-overwrite", func(c Combo) bool {
		return c.Is(Historical, "with history") && c.Is(Destination, "into objects") && c.Is(Versioning, "unversioned")
	}}, // A37, A38
	{"role.across-accounts", func(c Combo) bool { return c.Is(Role, "AliyunOSSRole") && !c.Is(Accounts, "one account") }}, // B3
}

// Refused returns the reason codes for which a ticket of this combination has to be
// refused; none means that it goes through.
func (c Combo) Refused() (codes []string) {
	for _, x := range conflicts {
		if x.in(c) {
			codes = append(codes, x.code)
		}
	}
	return codes
}

// An Object is one object that a trial writes to the source.
type Object struct {
	Key    string
	Tags   map[string]string
	Before bool // written before the ticket; otherwise when the pair is watched
	Keyed  bool // encrypted under a key of the source's account
	Copied bool // whether it has to arrive
}

// Ends returns the regions of source and destination.
func (c Combo) Ends() (source, destination string) {
	switch {
	case c.Is(Regions, "outside mainland"):
		return "us-west-1", "us-east-1"
	case c.Is(Regions, "across the border"):
		return "cn-hangzhou", "us-west-1"
	case c.Is(Regions, "one region"):
		return "cn-hangzhou", "cn-hangzhou"
	}
	return "cn-hangzhou", "cn-shanghai"
}

// prefixes returns those of the ticket; none is the whole bucket. The four are the
// ones of the source document, which tell a from A and need no slash.
func (c Combo) prefixes() []string {
	switch {
	case c.Is(Prefixes, "one prefix"):
		return []string{"logs/"}
	case c.Is(Prefixes, "four prefixes"):
		return []string{"image/", "video", "a", "A"}
	}
	return nil
}

// Objects returns what a trial writes to the source, and whether it has to arrive.
func (c Combo) Objects() (list []Object) {
	inside := []string{"whole"}
	if p := c.prefixes(); len(p) > 0 {
		inside = nil
		for _, prefix := range p {
			inside = append(inside, prefix+"1")
		}
	}
	fits := map[string]string{"team": "images", "stage": "live"}
	history := !c.Is(Historical, "without history")
	for _, before := range []bool{true, false} {
		when := "new"
		if before {
			when = "old"
		}
		copied := !before || history // A36, A39
		for _, key := range inside {
			list = append(list, Object{Key: key + when, Tags: fits, Before: before, Copied: copied})
		}
		if len(c.prefixes()) > 0 { // A25
			list = append(list, Object{Key: "other/" + when, Tags: fits, Before: before}, Object{Key: "Image/" + when, Tags: fits, Before: before})
			if c.Is(Prefixes, "four prefixes") { // A is a prefix, but not a capital I
				list = append(list, Object{Key: "b/a" + when, Tags: fits, Before: before})
			}
		}
		none, any := c.Is(Tags, "no tags"), c.Is(Tags, "any tag")
		list = append(list,
			Object{Key: inside[0] + "/one-tag/" + when, Tags: map[string]string{"team": "images"}, Before: before, Copied: copied && (none || any)}, // B24, B25
			Object{Key: inside[0] + "/no-tag/" + when, Before: before, Copied: copied && none},
			Object{Key: inside[0] + "/keyed/" + when, Tags: fits, Before: before, Keyed: !c.Is(Encryption, "not encrypted"), Copied: copied && !c.Is(Encryption, "keys left out")}, // A40, A42
			Object{Key: inside[0] + "/other-value/" + when, Tags: map[string]string{"team": "Images", "stage": "Live"}, Before: before, Copied: copied && none})
	}
	return list
}

// ByCanary reports whether objects of the desk's own have to be the evidence. Where
// the owner of the destination lets nobody look, it is the watermark.
func (c Combo) ByCanary() bool {
	return c.Is(Canary, "with canary") && !c.Is(Accounts, "two owners")
}

// DeletesArrive reports whether an object that is deleted plainly at the source is
// not to be read at the destination any more: the deletion is replicated, or its
// marker is (A30, A31, A33), which a tag filter leaves out (B22).
func (c Combo) DeletesArrive() bool {
	return c.Is(Deletes, "with deletes") || c.Is(Versioning, "versioned") && c.Is(Tags, "no tags")
}
