package sweep

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/watch"
)

// Schema is the version of the stored state that this program writes and reads.
// Unlike jobs, states lose the members that a program does not know: whoever adds
// one raises MinReader with it.
const (
	Schema    = 1
	MinReader = 1
)

// A State is what is kept of one shard, in every entry of its log.
type State struct {
	Lease *Lease           `json:"lease,omitempty"` // nil: nobody is at work
	Hour  watch.Moment     `json:"hour,omitempty"`  // the hour that the pairs' records are gathered for
	Pairs []watch.Pair     `json:"pairs,omitempty"` // in the order of their jobs
	Open  map[string]int64 `json:"open,omitempty"`  // jobs that are not at rest: when to look next, in Unix seconds
	// Outbox are the alerts that are not known to be sent, the oldest first.
	Outbox []replication.Event `json:"outbox,omitempty"`
}

// A Lease says who is at work on a shard, and until when by the store's clock.
type Lease struct {
	Worker string    `json:"worker"`
	Until  time.Time `json:"until"`
}

// Decode reads the body of an entry; no body is the state of a new shard.
func Decode(body []byte) (*State, error) {
	st := &State{}
	if body == nil {
		return st, nil
	}
	if err := json.Unmarshal(body, st); err != nil {
		return nil, fmt.Errorf("the entry does not hold the state of a shard: %w", err)
	}
	return st, nil
}

// leased reports whether somebody is at work.
func (st *State) leased(now time.Time) bool {
	return st.Lease != nil && now.Before(st.Lease.Until)
}

// idle reports whether nothing is watched, waited for or to be told.
func (st *State) idle() bool {
	return len(st.Pairs) == 0 && len(st.Open) == 0 && len(st.Outbox) == 0
}
