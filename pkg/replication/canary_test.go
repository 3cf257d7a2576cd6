package replication_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func inScope(r replication.Request, key string) bool {
	for _, p := range r.Objects.Prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return len(r.Objects.Prefixes) == 0
}

func TestTheKeysOfOurOwnObjects(t *testing.T) {
	long := strings.Repeat("l", 1010)
	for name, c := range map[string]struct {
		prefixes        []string
		canary, outside string
	}{
		"the whole bucket has no outside":               {nil, ".replidesk/T-1/canary", ""},
		"a folder":                                      {[]string{"image/"}, "image/.replidesk/T-1/canary", "image.replidesk/T-1/outside"},
		"a part of a name":                              {[]string{"vid"}, "vid.replidesk/T-1/canary", "vi.replidesk/T-1/outside"},
		"the longest beginning that is outside":         {[]string{"a/b", "a/.r"}, "a/b.replidesk/T-1/canary", "a.replidesk/T-1/outside"},
		"a prefix of one letter":                        {[]string{"a"}, "a.replidesk/T-1/canary", ".replidesk/T-1/outside"},
		"a prefix of one letter that is many bytes":     {[]string{"ü"}, "ü.replidesk/T-1/canary", ".replidesk/T-1/outside"},
		"a prefix that takes in all that we would name": {[]string{"."}, "..replidesk/T-1/canary", ""},
		"another prefix takes in all":                   {[]string{"a", "."}, "a.replidesk/T-1/canary", ""},
		"a prefix that is too long for a canary":        {[]string{long, "b/"}, "b/.replidesk/T-1/canary", "b.replidesk/T-1/outside"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			r.ID, r.Objects.Prefixes = "T-1", c.prefixes
			require.Equal(t, c.canary, replication.CanaryKey(r))
			require.Equal(t, c.outside, replication.OutsideKey(r))
		})
	}
}

func FuzzTheOutsideIsNeverInScope(f *testing.F) {
	for _, s := range []string{"", "image/\nvideo\na\nA", ".\nx", ".replidesk/", ".replidesk/CHG-1/outside", "ü/€", "a\nb\n.", "a/b/c\na/b.r", strings.Repeat("€", 341)} {
		f.Add(s, "CHG-1")
	}
	f.Fuzz(func(t *testing.T, prefixes, id string) {
		r := request()
		r.ID, r.Objects.Prefixes = id, nil
		if prefixes != "" {
			r.Objects.Prefixes = strings.Split(prefixes, "\n")
		}
		if len(replication.Validate(r, replication.Desk{MaxPrefixes: 100, Pairs: anyPairs})) > 0 {
			return
		}
		canary, outside := replication.CanaryKey(r), replication.OutsideKey(r)
		require.True(t, inScope(r, canary), canary)
		require.LessOrEqual(t, len(canary), 1023)
		require.Contains(t, canary, ".replidesk/"+id+"/")
		if outside == "" {
			return
		}
		require.False(t, inScope(r, outside), outside)
		require.LessOrEqual(t, len(outside), 1023)
		require.True(t, utf8.ValidString(outside))
		require.Contains(t, outside, ".replidesk/"+id+"/", "it is to be known as ours")
		require.NotEqual(t, "/", outside[:1])
	})
}

func TestTheObjectWithoutTagsLiesInScope(t *testing.T) {
	r := request()
	require.Empty(t, replication.UntaggedKey(r), "without a filter there is none")
	r.Objects.Tags = filter("all", "k=v")
	require.Equal(t, "image/.replidesk/CHG-2041/untagged", replication.UntaggedKey(r))
	r.Objects.Prefixes = nil
	require.Equal(t, ".replidesk/CHG-2041/untagged", replication.UntaggedKey(r))
	tight := strings.Repeat("l", 1023-len(".replidesk/CHG-2041/canary"))
	r.Objects.Prefixes = []string{tight, "b/"}
	require.Equal(t, "b/.replidesk/CHG-2041/untagged", replication.UntaggedKey(r))
	require.Equal(t, "b/.replidesk/CHG-2041/canary", replication.CanaryKey(r), "both lie below one prefix")
	r.Objects.Prefixes = []string{tight}
	p := replication.Validate(r, desk)
	require.Len(t, p, 1)
	require.Equal(t, replication.ReasonPrefixInvalid, p[0].Code, "it would have no room")
}

func TestACanaryBelowAPrefixWithoutRoomIsRefused(t *testing.T) {
	with := func(n int, more string) string {
		return strings.Replace(good, `"image/","video","a","A"`, `"`+strings.Repeat("l", n)+`"`+more, 1)
	}
	name := len(".replidesk/CHG-2041/canary")
	require.Empty(t, problemsOf(with(1023-name, "")))
	p := problemsOf(with(1023-name+1, ""))
	require.Len(t, p, 1)
	require.Equal(t, replication.ReasonPrefixInvalid, p[0].Code)
	require.Equal(t, "objects.prefixes", p[0].Field)
	require.Contains(t, p[0].Message, "1024 bytes")
	require.Empty(t, problemsOf(with(1023, `,"b/"`)), "another prefix has room")
	require.Empty(t, problemsOf(strings.Replace(with(1023, ""), `"historical"`, `"verify":{"canary":false},"historical"`, 1)), "without a canary no room is needed")
}
