// Command progress is the function of that name, for the runtime go1 of Function Compute.
package main

import (
	"fmt"
	"os"

	"github.com/replidesk/replidesk/pkg/wiring"
)

func main() {
	if err := wiring.Serve(wiring.Progress, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "progress:", err)
		os.Exit(1)
	}
}
