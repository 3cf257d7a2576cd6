// Package fcemu is Function Compute for the local cloud: instances of functions,
// the runtime API that fc-runtime-go-sdk binaries speak, asynchronous invocation,
// the timer trigger, and the MNS queue trigger as EventBridge delivers it.
//
// A function is a built executable, started unmodified as a process, or a Go
// function inside this process. The second needs no socket and no process, so a
// [Platform] with such functions alone runs in the virtual time of
// testing/synctest. Everything else is the same for both.
//
// An instance serves one invocation at a time. When all instances are busy a new
// one is started, up to Function.MaxInstances; beyond that a caller is throttled.
// An instance that exits, is killed or overruns its deadline fails its invocation
// and is replaced when the next event needs one.
//
// What is scaled by the world's speed: retry intervals of triggers and of
// asynchronous invocation. What is not, because it is the user's configuration:
// timer schedules, batch windows, function timeouts.
//
// Every invocation goes through the world's faults and its log of calls, as
// service "fc", action "InvokeFunction", resource the function's name. A lost
// reply means that the function ran and its caller never learnt how it ended.
//
// Left out: instance freezing, lifecycle hooks (initializer, pre-stop), versions
// and aliases, provisioned instances, memory limits, and FC's own HTTP API.
package fcemu
