package replication_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func TestTheContentsOfTwoObjectsAreTheSameOnlyWhenSizeAndETagAre(t *testing.T) {
	var s replication.SameNamesSeen
	s.Compare("a", 4, 4, "E1", "E1")
	s.Compare("b", 4, 4, "E1", "E2")
	s.Compare("c", 4, 9, "E1", "E1")
	s.Compare("d", 4, 4, "", "")
	require.Equal(t, 1, s.Same)
	require.Equal(t, 3, s.Other)
	s.Looked, s.Complete = 7, true
	require.Equal(t, "every name in the scope was compared, 7 objects at the source: 4 with the name of one at the destination, 3 of them with other contents; "+
		"such as a (the same contents), b (4 bytes each, another ETag), c (4 bytes over 9), d (4 bytes each, another ETag)", s.String())
}

func TestObjectsWithOtherContentsAreTheExamples(t *testing.T) {
	var s replication.SameNamesSeen
	for i := range 20 {
		s.Compare(fmt.Sprint("same", i), 1, 1, "E", "E")
	}
	for i := range 20 {
		s.Compare(fmt.Sprint("other", i), 1, 2, "E", "E")
	}
	require.Equal(t, 20, s.Same)
	require.Equal(t, 20, s.Other)
	require.Len(t, s.Examples, 5)
	for _, e := range s.Examples {
		require.False(t, e.Same, e.Key)
	}
}

func TestAPlanShowsWhatTheHistoricalCopyOverwrites(t *testing.T) {
	some := replication.SameNamesSeen{Looked: 9, Complete: true}
	some.Compare("image/1", 4, 9, "A", "B")
	none := replication.SameNamesSeen{Looked: 8000}
	unread := replication.SameNamesSeen{Unread: "no right"}
	for name, c := range map[string]struct {
		history, versioned, tags, accept bool
		seen                             *replication.SameNamesSeen
		code                             string
		says                             []string
	}{
		"lost":                           {true, false, false, true, &some, "historical-overwrites", []string{"the old contents are lost", "1 with the name of one at the destination, 1 of them with other contents", "image/1 (4 bytes over 9)"}},
		"kept as versions":               {true, true, false, false, &some, "same-name-objects", []string{"the old contents stay as a version", "image/1"}},
		"none, as far as was looked":     {true, false, false, true, &none, "historical-overwrites", []string{"The first 8000 objects of the source were compared, the others were not: none has the name"}},
		"not known":                      {true, false, false, true, &unread, "historical-overwrites", []string{"Which ones is not known: no right"}},
		"by what is written later":       {false, false, false, false, nil, "same-name-objects", []string{"is overwritten when the source's is copied"}},
		"perhaps not, because of a tag":  {true, false, true, true, &some, "same-names-untagged", []string{"fewer objects may be concerned"}},
		"and a ticket is refused for it": {true, false, false, false, &some, "historical-overwrites", []string{"image/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			r.Historical = replication.Historical{Replicate: &c.history, AcceptOverwrite: c.accept}
			if c.tags {
				r.Objects.Tags = filter("all", "k=v")
			}
			s := free(r)
			s.Seen.DestinationEmpty = ptr(false)
			if c.versioned {
				s.Seen.Source.Versioning, s.Seen.Destination.Versioning = "Enabled", "Enabled"
			}
			s.More.SameNames = c.seen
			p := replication.Plan(r, planDesk, s, noon)
			refused := c.history && !c.versioned && !c.accept
			require.Equal(t, !refused, p.Accepted)
			require.Equal(t, c.seen, p.SameNames)
			message := ""
			for _, n := range p.Risks {
				if n.Code == c.code {
					message = n.Message
				}
			}
			for _, says := range c.says {
				require.Contains(t, message, says)
			}
		})
	}
}

func TestOnlyAPlanOfAPairThatGoesOnLooksFurther(t *testing.T) {
	everything, names := replication.MoreLooks{Lifecycles: true, SameNames: true}, replication.MoreLooks{SameNames: true}
	lifecycles, none := replication.MoreLooks{Lifecycles: true}, replication.MoreLooks{}
	for name, c := range map[string]struct {
		history, accept, full bool
		given                 func(*world)
		want                  replication.MoreLooks
	}{
		"a new pair":                       {false, false, false, nil, lifecycles},
		"a historical copy into nothing":   {true, false, false, nil, lifecycles},
		"objects that are not copied over": {false, false, true, nil, lifecycles},
		"a historical copy over objects":   {true, true, true, nil, everything},
		"one that is refused for them":     {true, false, true, nil, names},
		"a pair that waits for an older rule to go": {false, false, false, func(w *world) {
			w.Rules.Rules = []replication.RuleSeen{{ID: "r", Destination: "dest-bucket", Status: replication.RuleClosing}}
		}, lifecycles},
		"a pair that is refused":   {false, false, false, func(w *world) { w.Source.Is = replication.Missing }, none},
		"a pair not looked at yet": {false, false, false, func(w *world) { w.Source = nil }, none},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			r.Historical = replication.Historical{Replicate: &c.history, AcceptOverwrite: c.accept}
			w := free(r).Seen
			w.DestinationEmpty = ptr(!c.full)
			if c.given != nil {
				c.given(&w)
			}
			require.Equal(t, c.want, replication.SurveyMore(r, planDesk, w, noon))
		})
	}
}
