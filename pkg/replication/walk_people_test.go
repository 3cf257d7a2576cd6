package replication_test

import "time"

// A meddling is what a person does at a time.
type meddling struct {
	at time.Time
	do func(*cloud)
}

// meddleAt has a person do something within the first minutes or hours.
func (c *cloud) meddleAt(p float64, do func(*cloud)) {
	if c.odds(p) {
		within := []time.Duration{10 * time.Second, 10 * time.Minute, 5 * time.Hour}[c.rng.IntN(3)]
		c.meddle = append(c.meddle, meddling{c.now.Add(time.Duration(c.rng.Int64N(int64(within)))), do})
	}
}
