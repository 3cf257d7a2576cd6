package fcemu

import "syscall"

// processAttr puts a function's process in a group of its own, so that an interrupt
// typed at a terminal reaches only the platform, which then ends it in order; and lets it die with the
// platform, because a runtime without its API polls without a pause.
func processAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
