package ramgrant_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/meter"
	"github.com/replidesk/replidesk/pkg/ramgrant"
)

func TestARoleIsAssumedOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		arn := "acs:ram::" + as.B.UID + ":role/replidesk-destination"
		s := client(cloud, as.A.User).Sessions()
		_, _, _, err := s.Key(t.Context(), arn)
		require.Equal(t, fault.Denied, fault.Of(err), "a role that does not exist has to be made by somebody: %v", err)

		_, e := cloud.World.CreateRole(as.B.UID, world.NewRole{Name: "replidesk-destination", Trust: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::` + as.A.UID + `:user/admin"]}}]}`})
		require.Nil(t, e)
		time.Sleep(time.Minute)
		ctx, calls := meter.With(t.Context())
		var wg sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			wg.Go(func() {
				id, secret, token, err := s.Key(ctx, arn)
				if err == nil && secret != "" && token != "" {
					ids[i] = id
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			require.Equal(t, ids[0], id)
			require.NotEmpty(t, id)
		}
		require.Equal(t, 1, calls.N())
		id, secret, token, err := s.Key(ctx, arn)
		require.NoError(t, err)
		uid, err := ramgrant.New(ramgrant.Config{Transport: cloud.Transport(), Credentials: func() (string, string, string) { return id, secret, token }}).CallerAccount(t.Context())
		require.NoError(t, err)
		require.Equal(t, as.B.UID, uid)

		time.Sleep(49 * time.Minute)
		same, _, _, err := s.Key(ctx, arn)
		require.NoError(t, err)
		require.Equal(t, id, same)
		time.Sleep(2 * time.Minute)
		renewed, _, _, err := s.Key(ctx, arn)
		require.NoError(t, err)
		require.NotEqual(t, id, renewed, "before the old ones end")
		require.Equal(t, 2, calls.N())
	})
}

func TestARoleThatTrustsSomebodyElseIsARightThatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		_, e := cloud.World.CreateRole(as.B.UID, world.NewRole{Name: "theirs", Trust: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::` + as.B.UID + `:root"]}}]}`})
		require.Nil(t, e)
		time.Sleep(time.Minute)
		s := client(cloud, as.A.User).Sessions()
		_, _, _, err := s.Key(t.Context(), "acs:ram::"+as.B.UID+":role/theirs")
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, fault.Denied, f.Kind)
		require.Equal(t, "AssumeRole", f.Op)
		require.NotContains(t, err.Error(), as.A.User.ID)
	})
}
