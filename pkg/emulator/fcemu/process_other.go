//go:build !linux

package fcemu

import "syscall"

// processAttr leaves the process as it is: what Linux offers to tie it to this one
// does not exist elsewhere.
func processAttr() *syscall.SysProcAttr { return nil }
