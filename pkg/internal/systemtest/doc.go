// Package systemtest runs the whole program over the local cloud through the real
// SDKs, in virtual time: the three functions as Function Compute would run them,
// the queues and timers that drive them, and buckets that really replicate.
package systemtest
