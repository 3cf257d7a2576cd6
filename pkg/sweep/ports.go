package sweep

import (
	"context"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// What the sweep needs from the world, in the words of the domain and with errors
// of package fault. All of it is called side by side.

// Progress reads how far rules have come.
type Progress interface {
	// Progress returns Existence Missing and no error when there is no such rule.
	Progress(ctx context.Context, source replication.End, ruleID string) (replication.ProgressSeen, error)
}

// Bus carries hints and results.
type Bus interface {
	// Wake sends a hint that job may be due. rev is the job's newest entry, or 0 for
	// a job that has none yet.
	Wake(ctx context.Context, to replication.Owner, job string, rev uint64, delay time.Duration) error
	// Publish sends a result.
	Publish(ctx context.Context, e replication.Event) error
}

// DeadLetters is the queue of what the triggers gave up on.
type DeadLetters interface {
	// Receive takes up to n messages, which then stay hidden for a while, and returns
	// their bodies by the receipts that delete them. It does not wait for messages:
	// none is an empty map.
	Receive(ctx context.Context, n int) (map[string][]byte, error)
	// Delete takes a message away for good.
	Delete(ctx context.Context, receipt string) error
}

// An Intake takes in what a trigger delivered. nil means that it is safe with us, or
// that its sender was answered; on an error the message has to come again. It must
// bear the same body any number of times.
type Intake func(ctx context.Context, body []byte) error
