package ossjournal_test

import (
	"context"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/ossjournal"
)

func TestCheckAcceptsABucketAsItShouldBe(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		require.NoError(t, ossjournal.New(h.admin, bucket).Check(t.Context()))
	})
}

func TestCheckFindsEverySettingThatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil     func(t *testing.T, h *harness)
		problem   string
		versioned bool
	}{
		"versioning is on":               {func(_ *testing.T, h *harness) { h.version(oss.VersionEnabled) }, "its versioning is Enabled", true},
		"versioning is suspended":        {func(_ *testing.T, h *harness) { h.version(oss.VersionSuspended) }, "its versioning is Suspended", true},
		"the encryption needs a KMS key": {func(_ *testing.T, h *harness) { h.encrypt("KMS") }, `its default encryption is "KMS"`, false},
		"there is no encryption": {func(t *testing.T, h *harness) {
			_, err := h.admin.DeleteBucketEncryption(t.Context(), &oss.DeleteBucketEncryptionRequest{Bucket: oss.Ptr(bucket)})
			require.NoError(t, err)
		}, `its default encryption is ""`, false},
		"anybody may read": {func(t *testing.T, h *harness) {
			_, err := h.admin.PutBucketAcl(t.Context(), &oss.PutBucketAclRequest{Bucket: oss.Ptr(bucket), Acl: oss.BucketACLPublicRead})
			require.NoError(t, err)
		}, `its ACL is "public-read"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *harness) {
				c.spoil(t, h)
				s := ossjournal.New(h.admin, bucket)
				err := s.Check(t.Context())
				var be *ossjournal.BucketError
				require.ErrorAs(t, err, &be)
				require.Equal(t, fault.Terminal, fault.Of(err))
				require.Len(t, be.Problems, 1)
				require.Contains(t, be.Problems[0].Text, c.problem)
				require.NotEmpty(t, be.Problems[0].Remedy)
				require.Contains(t, err.Error(), c.problem)

				_, err2 := s.Create(t.Context(), journal.Job("x"), 1, []byte("x"))
				if c.versioned {
					require.ErrorIs(t, err, journal.ErrVersioned)
					require.ErrorIs(t, err2, journal.ErrVersioned)
				} else {
					require.NoError(t, err2)
				}
			})
		})
	}
}

// lifecycled is a client whose bucket has lifecycle rules.
type lifecycled struct{ ossjournal.Client }

func (lifecycled) GetBucketLifecycle(context.Context, *oss.GetBucketLifecycleRequest, ...func(*oss.Options)) (*oss.GetBucketLifecycleResult, error) {
	return &oss.GetBucketLifecycleResult{LifecycleConfiguration: &oss.LifecycleConfiguration{Rules: make([]oss.LifecycleRule, 2)}}, nil
}

func TestCheckFindsLifecycleRules(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		err := ossjournal.New(lifecycled{h.admin}, bucket).Check(t.Context())
		require.ErrorContains(t, err, "it has 2 lifecycle rules")
	})
}

func TestCheckSaysWhenItCannotLook(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		nobody := h.client(h.cloud.World.NewUserKey(h.owner, "nobody"))
		require.Equal(t, fault.Denied, fault.Of(ossjournal.New(nobody, bucket).Check(t.Context())))
		require.Equal(t, fault.Terminal, fault.Of(ossjournal.New(h.admin, "no-such-bucket").Check(t.Context())))
	})
}
