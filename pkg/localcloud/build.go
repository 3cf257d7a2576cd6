package localcloud

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/replidesk/replidesk/deploy"
)

// Build builds every function for this machine into dir, with the Go tool, from
// the module that the working directory is in. It is for tests; "make build" makes
// what is deployed.
func Build(ctx context.Context, dir string) error {
	for _, f := range deploy.Functions() {
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w",
			"-o", filepath.Join(dir, f, "main"), "github.com/replidesk/replidesk/functions/"+f)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build %s: %w: %s", f, err, strings.TrimSpace(out.String()))
		}
	}
	return nil
}
