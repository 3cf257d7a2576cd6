// Package ossrepl speaks to OSS through SDK v2: about buckets, their replication
// rules, and the few objects that the desk writes itself. A [Client] fulfils the
// ports Rules and Objects of the engine.
//
// Every call is tried once. What an error means, and whether to try again, is the
// caller's to decide by its kind (package fault); classify.go holds the table.
// Texts of errors are stripped of the SDK's URLs and answers. [fact 32]
package ossrepl
