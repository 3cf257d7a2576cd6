package ossrepl_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestReplicationTimeControlOfARuleIsTurnedOnAndOff(t *testing.T) {
	inCloud(t, func(d *desk) {
		ctx, src := d.t.Context(), d.request.Source
		d.bucket(src, d.as.A.UID, "")
		d.bucket(d.request.Destination, d.as.A.UID, "")
		d.role()
		id := d.putRule()
		shows := func(want string) {
			d.t.Helper()
			seen, err := d.client.Rules(ctx, src)
			require.NoError(d.t, err)
			require.Equal(d.t, want, seen.Rules[0].RTC)
		}
		shows("")
		for range 2 { // twice is once
			request, err := d.client.PutRTC(ctx, src, id, true)
			require.NoError(d.t, err)
			require.NotEmpty(d.t, request)
			shows("enabling")
		}
		time.Sleep(20 * time.Minute)
		shows("enabled")
		want := replication.RuleFor(d.request)
		want.RTC = true
		seen, err := d.client.Rules(ctx, src)
		require.NoError(d.t, err)
		require.Empty(d.t, want.Differences(seen.Rules[0]))
		_, err = d.client.PutRTC(ctx, src, id, false)
		require.NoError(d.t, err)
		shows("")

		_, err = d.client.PutRTC(ctx, src, "no-such-rule", true)
		require.Equal(d.t, fault.NotFound, fault.Of(err))
		_, err = d.client.PutRTC(ctx, src, "", true)
		require.Equal(d.t, fault.Terminal, fault.Of(err))
		require.NoError(d.t, d.client.CloseRule(ctx, src, id))
		_, err = d.client.PutRTC(ctx, src, id, true)
		require.Equal(d.t, fault.Conflict, fault.Of(err), "a rule that is being removed")
	})
}
