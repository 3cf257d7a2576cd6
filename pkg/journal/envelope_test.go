package journal

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// stored are two entries as they are stored. Their files are read for ever: a change
// of the form needs a new folder beside the old one.
func stored(t *testing.T) (first, second []byte) {
	t.Helper()
	e := envelope{
		Form: 1, Schema: 3, MinReader: 2, Log: "job/CHG-2041", Seq: 1,
		Nonce: "00112233445566778899aabbccddeeff", Writer: "provision/5f3a <1>", Body: json.RawMessage(`{"phase":"received","big":12345678901234567890}`),
	}
	first, err := e.encode()
	require.NoError(t, err)
	e.Seq, e.Prev, e.Nonce, e.Body = 2, hash(first), "ffeeddccbbaa99887766554433221100", json.RawMessage(`{"phase":"preflight","html":"<&>"}`)
	second, err = e.encode()
	require.NoError(t, err)
	return first, second
}

func TestTheStoredFormDoesNotChange(t *testing.T) {
	first, second := stored(t)
	for name, raw := range map[string][]byte{"1.json": first, "2.json": second} {
		file := filepath.Join("testdata", "form1", name)
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, raw, 0o644))
		}
		golden, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(golden), string(raw))
	}
}

func TestStoredEntriesOfFormOneAreReadForEver(t *testing.T) {
	var before Snapshot
	for seq, name := range []string{"1.json", "2.json"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "form1", name))
		require.NoError(t, err)
		e, err := decode("job/CHG-2041", uint64(seq+1), raw)
		require.NoError(t, err)
		s := e.snapshot(raw)
		require.NoError(t, follows(before, s))
		require.Equal(t, 3, s.Schema)
		require.Equal(t, 2, s.MinReader)
		require.Equal(t, "provision/5f3a <1>", s.Writer)
		require.True(t, json.Valid(s.Body))
		before = s
	}
	require.Equal(t, `{"phase":"preflight","html":"<&>"}`, string(before.Body))
}

func TestUnknownFieldsOfAnEnvelopeAreNoObstacle(t *testing.T) {
	first, _ := stored(t)
	e, err := decode("job/CHG-2041", 1, append(first[:len(first)-1:len(first)-1], `,"later":{"x":1}}`...))
	require.NoError(t, err)
	require.Equal(t, uint64(1), e.Seq)
}

func TestNothingMayFollowAnEnvelope(t *testing.T) {
	first, _ := stored(t)
	for _, tail := range []string{"{}", " x", "\n1", "}"} {
		_, err := decode("job/CHG-2041", 1, append(first[:len(first):len(first)], tail...))
		var be *BrokenError
		require.ErrorAs(t, err, &be, tail)
	}
}

func TestEveryPartOfAnEnvelopeIsNeeded(t *testing.T) {
	first, second := stored(t)
	for seq, raw := range map[uint64][]byte{1: first, 2: second} {
		var fields map[string]any
		require.NoError(t, json.Unmarshal(raw, &fields))
		for name, old := range fields {
			if name == "writer" || name == "prev" && seq == 1 {
				continue // an entry may be anonymous, and the first has none before
			}
			for _, bad := range []any{nil, 0, -1, "", "x", map[string]any{}} {
				if name == "body" || name == "nonce" && bad == "x" || name == "journal" && bad == 2 {
					continue // those may be any JSON, and any text
				}
				fields[name] = bad
				raw, err := json.Marshal(fields)
				require.NoError(t, err)
				_, err = decode("job/CHG-2041", seq, raw)
				var be *BrokenError
				require.ErrorAs(t, err, &be, "%s = %v", name, bad)
			}
			delete(fields, name)
			raw, err := json.Marshal(fields)
			require.NoError(t, err)
			_, err = decode("job/CHG-2041", seq, raw)
			require.Error(t, err, name)
			fields[name] = old
		}
	}
}

func TestAnchorsAreReadAsTheyAreWritten(t *testing.T) {
	first, _ := stored(t)
	a := Anchor{Seq: 12, Hash: hash(first)}
	back, err := ParseAnchor(a.String())
	require.NoError(t, err)
	require.Equal(t, a, back)
	for _, bad := range []string{"", "12", "12:", ":" + a.Hash, "0:" + a.Hash, "-1:" + a.Hash, "12:" + a.Hash[1:], "12:" + a.Hash + "0", "12:" + "Z" + a.Hash[1:], a.Hash} {
		_, err := ParseAnchor(bad)
		require.Error(t, err, bad)
	}
}

func FuzzDecodeAcceptsOnlyWhatItCanGiveBack(f *testing.F) {
	f.Add([]byte(`{"journal":1,"schema":1,"minReader":1,"log":"job/x","seq":1,"prev":"","nonce":"n","writer":"w","body":{}}`))
	f.Add([]byte(`{"journal":2}`))
	f.Add([]byte(`{"journal":1,"seq":1,"SEQ":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decode("job/x", 1, raw)
		if err != nil {
			var be *BrokenError
			var tn *TooNewError
			require.True(t, errors.As(err, &be) || errors.As(err, &tn))
			return
		}
		require.Equal(t, uint64(1), e.Seq)
		body, err := compact(e.Body)
		require.NoError(t, err)
		e.Body = body
		again, err := e.encode()
		require.NoError(t, err)
		e2, err := decode("job/x", 1, again)
		require.NoError(t, err)
		require.Equal(t, string(e.Body), string(e2.Body))
		require.Equal(t, e.Nonce, e2.Nonce)
	})
}
