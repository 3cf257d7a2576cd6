// Package localcloud makes a local cloud with Replidesk deployed in it: the two
// accounts of package emulator behind a loopback port, the state bucket, the
// queues and the roles of the functions in account A, and the three functions as
// they are built for Function Compute, with the triggers of s.yaml.
//
// The functions run as processes of their own, with exactly the rights that the
// documents of package deploy give them. Everything that happens afterwards comes
// through the same doors as on the real cloud: a ticket on the requests queue, the
// timer, or a call to an API.
//
// It is for the command and for tests; no function contains it.
package localcloud
