package ossjournal_test

import (
	"testing"

	"github.com/replidesk/replidesk/pkg/journal/journaltest"
	"github.com/replidesk/replidesk/pkg/journal/ossjournal"
)

func TestConformanceWithTheSDKAsItIs(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Harness { return newHarness(t, plain) })
}

func TestConformanceWithAClientThatNeverRetries(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Harness {
		return newHarness(t, func(c ossjournal.Client) ossjournal.Client { return single{c} })
	})
}
