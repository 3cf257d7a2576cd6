// Command package makes the package of each function of s.yaml, <code>.zip beside its
// directory, for those who deploy with something else than Serverless Devs: the same
// executable gives the same bytes, whoever packs it, where and when.
//
//	package [-desk FILE] [DIR]
//	package -check -desk FILE
//
// With -check the desk file is checked and nothing is packed.
//
// DIR is where s.yaml stands and the functions are built; it is the working directory
// unless it is given. Without -desk the packages have an empty desk file, which allows
// no pair: functions that refuse every ticket.
package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/replidesk/replidesk"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/serverless"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// filledIn is for the values of s.yaml that differ between deployments. None of them
// gets into a package.
var filledIn = map[string]string{
	"REPLIDESK_ACCOUNT": "1234567890123456", "REPLIDESK_REGION": "cn-hangzhou", "REPLIDESK_STATE_BUCKET": "state",
	"REPLIDESK_LOG_PROJECT": "project", "REPLIDESK_LOG_STORE": "store",
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("package", flag.ContinueOnError)
	deskFile := flags.String("desk", "", "the desk `file` that is packed beside each executable")
	check := flags.Bool("check", false, "only check the desk file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return fmt.Errorf("%q is one argument too many", flags.Arg(1))
	}
	desk, err := readDesk(*deskFile, out)
	if err != nil || *check {
		return err
	}
	file, err := serverless.Read(replidesk.Deployment, func(name string) string { return filledIn[name] })
	if err != nil {
		return fmt.Errorf("s.yaml: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(file.Resources)) {
		f := file.Resources[name].Props
		dir := filepath.Join(flags.Arg(0), filepath.FromSlash(string(f.Code)))
		executable, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(string(f.Handler))))
		if err != nil {
			return err
		}
		packed, err := pack([]entry{{string(f.Handler), 0o755, executable}, {f.Environment["REPLIDESK_DESK"], 0o644, desk}})
		if err != nil {
			return err
		}
		if err := os.WriteFile(dir+".zip", packed, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s  %.1f MB  sha256 %x\n", dir+".zip", float64(len(packed))/1e6, sha256.Sum256(packed))
	}
	return nil
}

// readDesk returns the contents of the desk file. One with anything wrong in it is
// refused here: a function would not start with it.
func readDesk(name string, out io.Writer) ([]byte, error) {
	if name == "" {
		fmt.Fprintln(out, "there is no desk file: these functions allow no pair, and refuse every ticket")
		return []byte("{}\n"), nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if _, err := config.ParseDesk(b); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// An entry is one file of a package.
type entry struct {
	name string
	mode os.FileMode
	data []byte
}

// firstTime is the earliest that a zip can hold: no package says when it was made.
var firstTime = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// pack returns a zip whose bytes follow from the entries alone.
func pack(entries []entry) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: firstTime}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
