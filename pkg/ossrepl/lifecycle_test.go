package ossrepl

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestEveryPartOfALifecycleRuleIsRead(t *testing.T) {
	c, asked := serve(t, always(200, `<LifecycleConfiguration>
		<Rule><ID>all</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Tag><Key>k</Key><Value>v</Value></Tag>
			<Filter><Not><Prefix>tmp/keep/</Prefix></Not><Not><Prefix>tmp/x</Prefix><Tag><Key>hold</Key><Value>1</Value></Tag></Not><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></Filter>
			<Expiration><Days>30</Days></Expiration>
			<Transition><Days>1</Days><StorageClass>IA</StorageClass></Transition>
			<Transition><Days>9</Days><StorageClass>Archive</StorageClass><IsAccessTime>true</IsAccessTime></Transition>
			<AbortMultipartUpload><Days>3</Days></AbortMultipartUpload>
			<NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration>
			<NoncurrentVersionTransition><NoncurrentDays>2</NoncurrentDays><StorageClass>IA</StorageClass></NoncurrentVersionTransition></Rule>
		<Rule><ID>markers</ID><Prefix/><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>
		<Rule><ID>dates</ID><Status>Disabled</Status><Expiration><CreatedBeforeDate>2026-01-01T00:00:00.000Z</CreatedBeforeDate></Expiration>
			<AbortMultipartUpload><Date>2027-01-01T00:00:00.000Z</Date></AbortMultipartUpload></Rule>
	</LifecycleConfiguration>`))
	seen, err := c.Lifecycle(t.Context(), src)
	require.NoError(t, err)
	require.Equal(t, []replication.LifecycleRule{
		{ID: "all", Enabled: true, Prefix: "tmp/", Tags: []replication.Tag{{Key: "k", Value: "v"}},
			Except:  []replication.LifecycleExcept{{Prefix: "tmp/keep/"}, {Prefix: "tmp/x", Tag: &replication.Tag{Key: "hold", Value: "1"}}},
			Expires: "30 days after their last change", Noncurrent: "7 days after they were replaced or deleted", Aborts: "3 days after they began",
			Classes:  []string{"to IA 1 day after their last change", "to Archive 9 days after their last access", "to IA 2 days after they were replaced or deleted"},
			ByAccess: true},
		{ID: "markers", Enabled: true, ExpiresMarkers: true},
		{ID: "dates", Expires: "that were last changed before 2026-01-01T00:00:00.000Z", Aborts: "from 2027-01-01T00:00:00.000Z on"},
	}, seen.Rules)
	require.Equal(t, "GET", asked.requests()[0].method)
	require.Contains(t, asked.requests()[0].query, "lifecycle")
}

func TestABucketWithoutLifecycleRulesHasNone(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchLifecycle") })
	seen, err := c.Lifecycle(t.Context(), src)
	require.NoError(t, err)
	require.Empty(t, seen)
}

func TestLifecycleRulesThatCannotBeReadAreAnError(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   fault.Kind
	}{
		"for want of a right":      {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") }, fault.Denied},
		"in another document":      {always(200, "<Html/>"), fault.Retryable},
		"with days that are words": {always(200, "<LifecycleConfiguration><Rule><Expiration><Days>many</Days></Expiration></Rule></LifecycleConfiguration>"), fault.Retryable},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := serve(t, c.answer)
			_, err := cl.Lifecycle(t.Context(), src)
			require.Equal(t, c.kind, fault.Of(err), "%v", err)
		})
	}
}
