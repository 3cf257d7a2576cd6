// Package watch is the domain of watching: what is kept of a pair whose rule was
// proven, how far it lies behind, when its backfill will be done, and when people
// are told.
//
// Everything here is pure. [Judge] takes the pair as it was saved, what a poll saw
// and the time, and returns the pair and the alerts that begin or end. Package
// sweep polls, saves and sends.
//
// # What the figures can and cannot say
//
// OSS has no replication status of an object and reports no error of a rule; all
// there is are a watermark and a fraction. [fact 27] Lag is the time since the
// watermark, so it is an upper bound: everything older is copied, of what is newer
// nothing is known. Whether the watermark moves on while nothing is written is not
// documented. If it does not, an idle bucket looks like one that lies behind, and
// its lag alert is false; nothing in the figures tells the two apart, and this
// package does not guess.
//
// # Alerts
//
// There are three kinds, the rows of one table:
//
//   - rule: the rule is gone or being removed. The other two are not judged then.
//   - lag: nobody can show that the watermark lies within the limit. Either it was
//     read and lies behind it, or it could not be read for so long; the reason
//     tells which. A watermark that is not reported counts as standing still. The
//     new objects' watermark counts while the backfill runs, too.
//   - backfill: the historical objects do not move, or at their recent speed will
//     not all be copied by the date of the ticket.
//
// An alert fires when its condition held at [Polls] polls in a row and is resolved
// when it did not hold at as many. It has one reason, the one it fired with. What
// keeps it from coming and going is said at its row: to be resolved takes a little
// more than not to fire.
package watch
