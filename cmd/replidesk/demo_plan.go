package main

import (
	"slices"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// dueByVariable is the placeholder for a date in example tickets.
const dueByVariable = "LOCAL_DUE_BY"

func dueBy(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// A place is a bucket and where it lies.
type place struct{ region, bucket string }

// A plan says what the demonstration prepares for one example ticket and how that
// ticket has to end. A test holds it to the files in examples/tickets.
type plan struct {
	id            string
	phase         replication.Phase // in which it ends
	reason        replication.Reason
	source, dest  place // none are made when the source has no bucket
	prefixes      []string
	tags          string // of every object but the drafts, in the form of x-oss-tagging; "" means none
	kms           bool   // every object is encrypted under a key
	historical    bool
	deletes       bool
	versioned     bool
	across        bool   // the destination belongs to account B
	within, aside int    // objects before the ticket, in scope and outside
	multipart     bool   // one more of them, in two parts
	role, grants  string // a role made beforehand, and the document of its policy ("" for none)
	fresh         int    // objects written while the rule is live; a few outside come with them
	byHand        bool   // the pair has a rule that somebody made at the console
	slow          bool   // the pair is throttled until its alerts have fired
}

var plans = []plan{
	{
		id: "CHG-1001", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-hangzhou", "photo-archive"}, dest: place{"cn-shanghai", "photo-archive-copy"},
		historical: true, within: 60, fresh: 12,
	},
	{
		id: "CHG-1002", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-hangzhou", "finance-documents"}, dest: place{"cn-shanghai", "finance-documents-copy"},
		prefixes: []string{"invoices/", "contracts/2026"}, historical: true, within: 40, aside: 20, multipart: true, fresh: 12,
	},
	{
		id: "CHG-1003", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-shanghai", "web-assets"}, dest: place{"cn-hangzhou", "web-assets-mirror"},
		prefixes: []string{"static/"}, deletes: true, within: 30, aside: 5, fresh: 12,
	},
	{
		id: "CHG-1004", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"us-west-1", "ledger-west"}, dest: place{"us-east-1", "ledger-east"},
		historical: true, deletes: true, versioned: true, within: 30, fresh: 12,
	},
	{
		id: "CHG-1005", phase: replication.PhaseWatching, reason: replication.ReasonVerifiedNoCanary,
		source: place{"cn-hangzhou", "press-releases"}, dest: place{"us-west-1", "press-releases-us"},
		historical: true, within: 30, fresh: 12,
	},
	{
		id: "CHG-1006", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-hangzhou", "sensor-data"}, dest: place{"cn-shanghai", "sensor-data-copy"},
		prefixes: []string{"readings/"}, historical: true, within: 150, aside: 10, fresh: 60, slow: true,
	},
	{id: "CHG-1007", phase: replication.PhaseRejected, reason: replication.ReasonPrefixOverlap},
	{id: "CHG-1008", phase: replication.PhaseRejected, reason: replication.ReasonSourceMissing},
	{
		id: "CHG-1009", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-shanghai", "order-journal"}, dest: place{"cn-shanghai", "order-journal-backup"},
		prefixes: []string{"orders/"}, historical: true, versioned: true, within: 30, aside: 5, fresh: 12,
	},
	{
		id: "CHG-1010", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-hangzhou", "camera-uploads"}, dest: place{"cn-shanghai", "camera-uploads-copy"},
		tags: "team=images&state=approved", historical: true, within: 30, aside: 15, fresh: 12,
	},
	{
		id: "CHG-1011", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-hangzhou", "payroll"}, dest: place{"cn-shanghai", "payroll-copy"},
		prefixes: []string{"2025/", "2026/"}, historical: true, byHand: true, within: 30, aside: 5, fresh: 12,
	},
	{
		id: "CHG-1012", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{keyedSource, "legal-files"}, dest: place{keyedCopies, "legal-files-copy"},
		kms: true, historical: true, within: 30, fresh: 12,
	},
	{
		id: "CHG-1015", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-hangzhou", "build-artifacts"}, dest: place{"cn-shanghai", "build-artifacts-copy"},
		prefixes: []string{"release/"}, historical: true, within: 20, aside: 5, fresh: 12,
	},
	{
		id: "CHG-1016", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-hangzhou", "survey-answers"}, dest: place{"cn-shanghai", "survey-answers-copy"},
		prefixes: []string{"2026/"}, historical: true, within: 20, aside: 5, fresh: 12,
		role: "oss-replication-survey",
	},
	{
		id: "CHG-1017", phase: replication.PhaseWatching, reason: replication.ReasonVerified,
		source: place{"cn-hangzhou", "map-tiles"}, dest: place{"cn-shanghai", "map-tiles-copy"},
		prefixes: []string{"tiles/"}, historical: true, within: 20, aside: 5, fresh: 12,
		role: "map-tiles-copier", grants: `{"Version":"1","Statement":[
			{"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet"],"Resource":["acs:oss:*:*:map-tiles","acs:oss:*:*:map-tiles/*"]},
			{"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet","oss:ReplicatePut"],"Resource":["acs:oss:*:*:map-tiles-copy","acs:oss:*:*:map-tiles-copy/*"]}]}`,
	},
	{
		id: "CHG-1020", phase: replication.PhaseWatching, reason: replication.ReasonVerified, across: true,
		source: place{"cn-hangzhou", "site-plans"}, dest: place{"cn-hangzhou", "site-plans-vault"},
		prefixes: []string{"plans/"}, historical: true, within: 20, aside: 5, fresh: 12,
	},
	{id: "CHG-1019", phase: replication.PhaseRejected, reason: replication.ReasonResidency},
}

// slowCopy is what each copy of the slow pair takes more: its backfill then lasts
// longer than the demonstration waits for anything.
const slowCopy = time.Second

// drafts is where the objects lie that no ticket asks for. They have no tags.
const drafts = "drafts/"

// covers reports whether what is written under a key is in the scope of the ticket.
func (p plan) covers(key string) bool {
	if p.tags != "" && strings.HasPrefix(key, drafts) {
		return false
	}
	return len(p.prefixes) == 0 || slices.ContainsFunc(p.prefixes, func(x string) bool { return strings.HasPrefix(key, x) })
}
