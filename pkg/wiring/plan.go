package wiring

import (
	"context"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// Plan says what the desk would do for a ticket. problems are what is wrong with
// its form. It only reads; the trouble is that of the read that failed, or nil.
func (d *Desk) Plan(ctx context.Context, r replication.Request, problems replication.Problems) (replication.PlanResult, *replication.Trouble) {
	e := d.Engine(replication.OwnerProvision)
	if len(problems) == 0 {
		problems = replication.Validate(r, e.Desk)
	}
	if !problems.Plannable() {
		return replication.PlanRefused(r, problems), nil
	}
	s, trouble := e.Survey(ctx, r)
	if trouble != nil {
		return replication.PlanResult{}, trouble
	}
	return replication.Plan(r, e.Desk, s, time.Now()), nil
}
