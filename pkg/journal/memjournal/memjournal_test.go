package memjournal_test

import (
	"testing"

	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/journal/journaltest"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
)

func TestConformance(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Harness { return harness{memjournal.New(nil)} })
}

type harness struct{ *memjournal.Store }

func (h harness) Open() driver.Store { return h.Store }

func (h harness) Break(f journaltest.Fault) (remove func()) {
	var removes []func()
	for _, op := range map[journaltest.Call][]memjournal.Op{
		journaltest.Create: {memjournal.Create, memjournal.PutMarker},
		journaltest.Get:    {memjournal.Get, memjournal.GetMarker},
		journaltest.List:   {memjournal.Head, memjournal.List, memjournal.ListMarkers},
		journaltest.Delete: {memjournal.Delete, memjournal.DeleteMarker},
	}[f.Call] {
		removes = append(removes, h.Store.Break(memjournal.Fault{
			Op: op, Kind: memjournal.FaultKind(f.Kind), As: f.As, Delay: f.Delay, Skip: f.Skip, Times: f.Times,
		}))
	}
	return func() {
		for _, r := range removes {
			r()
		}
	}
}
