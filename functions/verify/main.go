// Command verify is the function of that name, for the runtime go1 of Function Compute.
package main

import (
	"fmt"
	"os"

	"github.com/replidesk/replidesk/pkg/wiring"
)

func main() {
	if err := wiring.Serve(wiring.Verify, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}
