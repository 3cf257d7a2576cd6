// Package engine carries jobs forward: it loads a job, looks at the world as far
// as the decision needs it, asks package replication what to do, saves the
// intent, acts and saves the outcome with the next intent.
//
// An event is only a hint that a job may be due. What is done follows from the
// journal and from what is seen, so lost, doubled, late and reordered hints, two
// workers on one job and a killed process need no case of their own:
//
//   - No effect without a saved entry that names it. Creating that entry proves
//     that the state is the newest, and claims the job for [Claim].
//   - A worker that finds a live claim does nothing. One that finds an expired claim
//     takes over, looks first, and then acts.
//   - A lost race for an entry ends the run; the winner goes on.
//
// The engine never returns with a call in flight, and begins none that may
// outlast the claim or the invocation.
package engine
