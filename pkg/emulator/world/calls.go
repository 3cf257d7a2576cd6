package world

import "time"

// A Call is one line of the world's log of calls.
type Call struct {
	At        time.Time
	Service   string // "oss", "ram", "sts", "mns", "kms"
	Action    string // "PutObject", "CreateRole", ...
	Resource  string // "bucket/key", role, policy or queue name
	Caller    string // ARN of the principal; "" when the signature did not hold
	Region    string
	Status    int
	Code      string // error code, "" on success
	RequestID string
	Fault     FaultKind // "" when none was ordered for it
	Write     bool      // the action can change something
}

// Record adds a call to the log. A service calls it once a call, when the answer is known.
func (w *World) Record(c Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.At.IsZero() {
		c.At = time.Now()
	}
	w.calls = append(w.calls, c)
}

// Calls returns the calls from index from on, and the index to ask from next time.
func (w *World) Calls(from int) ([]Call, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from > len(w.calls) {
		from = len(w.calls)
	}
	return append([]Call(nil), w.calls[from:]...), len(w.calls)
}
