package driver_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

func TestEscape(t *testing.T) {
	for name, want := range map[string]string{
		"CHG-2041": "CHG-2041", "a.b_c-d": "a.b_c-d", "src/dst": "src%2Fdst", "a%2Fb": "a%252Fb",
		".": "%2E", "..": "%2E.", ".hidden": "%2Ehidden", " ": "%20", "ü": "%C3%BC", "\x00": "%00",
	} {
		require.Equal(t, want, driver.Escape(name))
		back, err := driver.Unescape(want)
		require.NoError(t, err)
		require.Equal(t, name, back)
	}
	for _, bad := range []string{"", "%", "%2", "%2f", "%41", "a b", "a/b", ".a", "%ZZ", "%+1"} {
		_, err := driver.Unescape(bad)
		require.Equal(t, fault.Terminal, fault.Of(err), "%q", bad)
	}
}

func TestKeysAreTakenApartAsTheyWereMade(t *testing.T) {
	key, err := driver.Key("sample", "src/dst", "2026-11-21T10")
	require.NoError(t, err)
	require.Equal(t, "sample/src%2Fdst/2026-11-21T10", key)
	parts, err := driver.SplitKey(key)
	require.NoError(t, err)
	require.Equal(t, []string{"sample", "src/dst", "2026-11-21T10"}, parts)
	for _, bad := range [][]string{{}, {"open"}, {"log", "x"}, {"sweep", "1"}, {"open", ""}, {"open", "\xff"}, {"open", strings.Repeat("ü", 127), strings.Repeat("ü", 127)}} {
		_, err := driver.Key(bad...)
		require.Equal(t, fault.Terminal, fault.Of(err), "%q", bad)
	}
}

func FuzzEscapedNamesAreOneSafeSegmentAndComeBack(f *testing.F) {
	for _, s := range []string{"CHG-2041", "..", "a/b", "%2F", "ü", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		escaped := driver.Escape(name)
		require.NotContains(t, escaped, "/")
		require.NotEqual(t, "..", escaped)
		require.NotEqual(t, ".", escaped)
		require.LessOrEqual(t, len(escaped), 3*len(name))
		back, err := driver.Unescape(escaped)
		if name == "" {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, name, back)
		if key, err := driver.Key("open", name); err == nil {
			require.True(t, utf8.ValidString(name))
			parts, err := driver.SplitKey(key)
			require.NoError(t, err)
			require.Equal(t, []string{"open", name}, parts)
		}
	})
}
