package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
)

// built returns a directory in which the functions were built at some time, by
// somebody whose umask was another.
func built(t *testing.T, at time.Time, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range deploy.Functions() {
		name := filepath.Join(dir, "dist", f, "main")
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, bytes.Repeat([]byte("code of "+f+" "), 1000), mode))
		require.NoError(t, os.Chtimes(name, at, at))
	}
	return dir
}

func packed(t *testing.T, dir string, args ...string) (zips map[string][]byte, said string) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(append(args, dir), &out))
	zips = map[string][]byte{}
	for _, f := range deploy.Functions() {
		b, err := os.ReadFile(filepath.Join(dir, "dist", f+".zip"))
		require.NoError(t, err)
		zips[f] = b
	}
	return zips, out.String()
}

const example = "../../deploy/desk.example.json"

func TestTheSameFunctionsGiveTheSamePackages(t *testing.T) {
	one, _ := packed(t, built(t, time.Now(), 0o755), "-desk", example)
	two, _ := packed(t, built(t, time.Now().Add(-300*24*time.Hour), 0o700), "-desk", example)
	require.Equal(t, one, two)
	require.NotEqual(t, one["provision"], one["verify"])
}

func TestAPackageHasTheExecutableAndTheDeskFile(t *testing.T) {
	zips, said := packed(t, built(t, time.Now(), 0o600), "-desk", example)
	desk, err := os.ReadFile(example)
	require.NoError(t, err)
	for f, b := range zips {
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		require.NoError(t, err)
		require.Len(t, z.File, 2)
		require.Equal(t, "main", z.File[0].Name)
		require.Equal(t, os.FileMode(0o755), z.File[0].Mode())
		require.Equal(t, string(bytes.Repeat([]byte("code of "+f+" "), 1000)), content(t, z.File[0]))
		require.Equal(t, "desk.json", z.File[1].Name)
		require.Equal(t, os.FileMode(0o644), z.File[1].Mode())
		require.Equal(t, string(desk), content(t, z.File[1]))
		require.Regexp(t, `(?m)/`+f+`\.zip  0\.0 MB  sha256 [0-9a-f]{64}$`, said)
	}
	require.NotContains(t, said, "no desk file")
}

func content(t *testing.T, f *zip.File) string {
	t.Helper()
	r, err := f.Open()
	require.NoError(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}

func TestWithoutADeskFileNothingIsAllowed(t *testing.T) {
	zips, said := packed(t, built(t, time.Now(), 0o755))
	require.Contains(t, said, "refuse every ticket")
	z, err := zip.NewReader(bytes.NewReader(zips["verify"]), int64(len(zips["verify"])))
	require.NoError(t, err)
	require.Equal(t, "{}\n", content(t, z.File[1]))
}

func TestADeskFileCanBeCheckedWithoutPacking(t *testing.T) {
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	require.NoError(t, os.WriteFile(wrong, []byte(`{"pears":[]}`), 0o600))
	require.NoError(t, run([]string{"-check", "-desk", example, t.TempDir()}, io.Discard), "nothing is built, and nothing is missed")
	require.ErrorContains(t, run([]string{"-check", "-desk", wrong}, io.Discard), "there is no field pears")
}

func TestWhatCannotBePackedIsNamed(t *testing.T) {
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	require.NoError(t, os.WriteFile(wrong, []byte(`{"pears":[]}`), 0o600))
	dir := built(t, time.Now(), 0o755)
	for want, args := range map[string][]string{
		"pears":                   {"-desk", wrong, dir},
		"none.json":               {"-desk", "none.json", dir},
		"one argument too many":   {dir, dir},
		"dist/progress/main":      {t.TempDir()},
		"flag provided but not":   {"-dsk", wrong},
		"flag needs an argument:": {"-desk"},
	} {
		require.ErrorContains(t, run(args, io.Discard), want)
	}
	require.NoFileExists(t, filepath.Join(dir, "dist", "verify.zip"))
}
