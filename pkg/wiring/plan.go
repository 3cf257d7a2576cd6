package wiring

import (
	"context"

	"github.com/replidesk/replidesk/pkg/replication"
)

// Plan says what the desk would do for a ticket, see [engine.Engine.Plan].
func (d *Desk) Plan(ctx context.Context, r replication.Request, problems replication.Problems) (replication.PlanResult, *replication.Trouble) {
	return d.Engine(replication.OwnerProvision).Plan(ctx, r, problems)
}
