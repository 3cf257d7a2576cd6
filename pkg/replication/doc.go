// Package replication is the domain of Replidesk: what a ticket asks for, the
// phases that its job goes through, and what to do next in each of them.
//
// Everything here is pure. A decision takes the job as it was saved, what was
// seen of the cloud and the time, and returns at most one effect as data, a wait
// or the next phase. Package engine reads the cloud, carries effects out and
// saves. So every decision is tested by a table, without a fake.
//
// Start with [Table], the phases in their order, and [Job], what is saved.
package replication
