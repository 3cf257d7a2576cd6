// Package sweep is the shell of the watch. A timer calls [Sweep.Tick], which polls
// the watched pairs, has package watch judge what it saw, saves, and tells people;
// it wakes jobs whose wake was lost, and brings back tickets that a trigger gave up
// on.
//
// # A shard
//
// Watched pairs and open jobs are spread over shards. The state of a shard is the
// newest entry of its log, sweep/<shard>, and all of it is in every entry. A tick
// writes two of them, however many pairs there are:
//
//  1. the state as it was, with a lease: whoever creates this entry has the shard
//     for as long as a tick can last. A live lease of anybody is left alone.
//  2. the state after the polls, without the lease, or
//  3. when there is somebody to tell: entry 2 keeps the lease and holds the alerts;
//     they are sent, and entry 3 gives the lease back without what was sent.
//
// Nobody is told anything that is not saved, so an alert has one id however often
// it is sent. A worker that dies between 2 and 3 leaves the alerts to the next one,
// which sends them again under the same ids. Once an hour one more object is
// written, with a line for each pair.
//
// A tick that comes twice, or before the one before it has ended, finds the lease,
// or pairs that are not due. [fact 34] One that is slower than its lease loses the
// race for its entry and tells nobody anything.
//
// # Near its end
//
// A tick stops polling in time to save. What is left is due first at the next one,
// because pairs are polled in the order of their last poll. It also stops when the
// cloud asks for fewer calls.
//
// # What it does not do
//
// It never changes a job: that is left to the functions which it wakes. It never
// lists or copies objects of a pair.
package sweep
