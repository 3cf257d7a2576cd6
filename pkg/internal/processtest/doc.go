// Package processtest runs the built function binaries as processes on the local
// cloud, and kills them.
package processtest
