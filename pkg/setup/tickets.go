package setup

import (
	"fmt"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/sweep"
)

// late is how long after its time a job may be looked at: the sweep wakes it sooner.
const late = 15 * time.Minute

// job looks at one ticket.
func (d *doctor) job(id string, marks []journal.Standing) {
	snap, err := d.Setup.desk.Journal.Load(d.ctx, journal.Job(id))
	var job *replication.Job
	if err == nil && snap.Exists() {
		job, err = replication.Decode(snap.Body)
	}
	now := time.Now()
	switch {
	case err != nil && (fault.Of(err) == fault.Terminal || snap.Exists()):
		d.problem(JobUnreadable, id, "replidesk history "+id+" --verify says which entry is damaged; nothing is done for the ticket until then",
			"its journal cannot be read: %s", fault.Line(err.Error()))
	case err != nil:
		d.failed(JobUnreadable, id, err)
	case job == nil:
		for _, m := range marks {
			if m.ID == id && now.Sub(m.Created) > late {
				d.problem(JobOverdue, id, "look at the log of replidesk-provision; sending the ticket again does no harm",
					"it was taken in at %s, and nothing was done since", m.Created.UTC().Format(time.RFC3339))
				return
			}
		}
	case job.Phase == replication.PhaseBlocked:
		d.problem(JobBlocked, id, job.Reason.Remedy()+"; then replidesk retry "+id, "it is blocked since %s by %s: %s",
			job.Since.UTC().Format(time.RFC3339), job.Reason, job.Message)
	case !job.AtRest() && !job.Due.IsZero() && now.Sub(job.Due) > late:
		d.problem(JobOverdue, id, "look at the logs of the functions; replidesk retry does no harm",
			"it is %s and was to be looked at again at %s", job.Phase, job.Due.UTC().Format(time.RFC3339))
	}
}

// stale is how old the newest entry of a shard may be that has something to do: a sweep
// comes every minute and takes less than four.
const stale = 5 * time.Minute

// sweep looks whether a shard of the watch is swept, and what its pairs are alarmed of.
// begun is since when there has been anything to do; the zero time: there is nothing.
func (d *doctor) sweep(shard int, begun time.Time) {
	about := fmt.Sprintf("shard %d", shard)
	own := journal.New(d.Setup.desk.Store, journal.Options{Schema: sweep.Schema, MinReader: sweep.MinReader})
	snap, err := own.Load(d.ctx, journal.Sweep(shard))
	if err != nil {
		d.failed(SweepUnreadable, about, err)
		return
	}
	state, err := sweep.Decode(snap.Body)
	if err != nil {
		d.problem(SweepUnreadable, about, "the newest entry under sweep/ was not written by this program: find out by whom", "%s", fault.Line(err.Error()))
		return
	}
	now := time.Now()
	if !begun.IsZero() && now.Sub(begun) > stale && now.Sub(snap.At) > stale {
		last := "never"
		if snap.Exists() {
			last = "at " + snap.At.UTC().Format(time.RFC3339)
		}
		d.problem(SweepStalled, about, "look at the timer tick of replidesk-progress, at its log and at the queue failed: nobody is watching",
			"there are tickets to look after, and the last sweep was %s", last)
		return
	}
	d.ok("sweep", about)
	for _, p := range state.Pairs {
		f := p.Figures(now)
		if len(f.Firing) == 0 {
			continue
		}
		kinds := make([]string, len(f.Firing))
		for i, k := range f.Firing {
			kinds[i] = string(k)
		}
		d.problem(PairAlert, p.Job, "replidesk explain "+p.Job+" says what is known; docs/operate.md says what to do about each alert",
			"its pair raises: %s", strings.Join(kinds, ", "))
	}
}
