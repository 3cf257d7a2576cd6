package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// envFileVariable names the env file when no flag does.
const envFileVariable = "REPLIDESK_ENV_FILE"

// environment returns where settings come from. An env file takes the place of the
// environment altogether, so that no setting or key of a real deployment gets
// mixed into a local one.
func (a *app) environment(file string) (getenv func(string) string, err error) {
	if file == "" {
		file = a.getenv(envFileVariable)
	}
	if file == "" {
		return a.getenv, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint(err, "replidesk local writes the file when everything is ready")
	}
	if err != nil {
		return nil, err
	}
	vars, err := parseEnv(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return func(name string) string { return vars[name] }, nil
}

// openDesk joins the desk of an environment. It makes no request.
func openDesk(getenv func(string) string) (*wiring.Desk, error) {
	c, err := config.Read(getenv)
	if err != nil {
		return nil, hint(err, "name the env file of a local cloud with --env-file, or set the variables of the deployment")
	}
	c.Instance = "replidesk"
	id, secret, token := keys(getenv)
	if id == "" || secret == "" {
		return nil, hint(errors.New("no access key is set"), "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET")
	}
	creds := &wiring.Credentials{}
	creds.Set(id, secret, token)
	return wiring.New(c, creds, nil, slog.New(slog.DiscardHandler)), nil
}

// keys returns the access key to sign with. A local cloud has its own, and is never
// shown those of a real account.
func keys(getenv func(string) string) (id, secret, token string) {
	if getenv("REPLIDESK_ENDPOINT") != "" {
		return getenv("LOCAL_ACCOUNT_A_ACCESS_KEY_ID"), getenv("LOCAL_ACCOUNT_A_ACCESS_KEY_SECRET"), ""
	}
	return getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"), getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"), getenv("ALIBABA_CLOUD_SECURITY_TOKEN")
}

// parseEnv reads lines of the form NAME=VALUE. Empty lines and those that begin
// with # are passed over.
func parseEnv(b []byte) (map[string]string, error) {
	vars := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d is not NAME=VALUE", n)
		}
		vars[name] = value
	}
	return vars, lines.Err()
}

// writeEnv writes an env file in one step: whoever sees the file sees all of it.
// Only its owner can read it.
func writeEnv(file string, vars []localcloud.Variable) (err error) {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(file)+".*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	var text strings.Builder
	for _, v := range vars {
		fmt.Fprintf(&text, "%s=%s\n", v.Name, v.Value)
	}
	_, err = io.WriteString(f, text.String())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
