package ossemu_test

import (
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// accelerate turns transfer acceleration on or off.
func (c *lab) accelerate(bucket string, on bool) error {
	_, err := c.at(bucket).PutBucketTransferAcceleration(c.ctx, &oss.PutBucketTransferAccelerationRequest{
		Bucket: oss.Ptr(bucket), TransferAccelerationConfiguration: &oss.TransferAccelerationConfiguration{Enabled: oss.Ptr(on)}})
	return err
}

func (c *lab) accelerated(bucket string) (bool, error) {
	res, err := c.at(bucket).GetBucketTransferAcceleration(c.ctx, &oss.GetBucketTransferAccelerationRequest{Bucket: oss.Ptr(bucket)})
	if err != nil {
		return false, err
	}
	return *res.TransferAccelerationConfiguration.Enabled, nil
}

func TestTransferAccelerationIsASwitchOfTheBucket(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		_, err := c.accelerated("data")
		c.refused(err, 404, "NoSuchTransferAccelerationConfiguration", "")
		for _, on := range []bool{true, false, true} {
			require.NoError(c, c.accelerate("data", on))
			got, err := c.accelerated("data")
			require.NoError(c, err)
			require.Equal(c, on, got)
			info, err := c.at("data").GetBucketInfo(c.ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
			require.NoError(c, err)
			require.Equal(c, map[bool]string{true: "Enabled", false: "Disabled"}[on], *info.BucketInfo.TransferAcceleration)
		}
		c.w.Break(world.Fault{Action: "GetBucketTransferAcceleration", Kind: world.FaultStaleRead})
		got, err := c.accelerated("data")
		require.NoError(c, err)
		require.False(c, got)
		_, err = c.at("data").PutBucketTransferAcceleration(c.ctx, &oss.PutBucketTransferAccelerationRequest{
			Bucket: oss.Ptr("data"), TransferAccelerationConfiguration: &oss.TransferAccelerationConfiguration{}})
		c.refused(err, 400, "MalformedXML", "")
	})
}

func TestAccelerationStaysOnWhileARuleUsesIt(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "src")
		c.bucket(accountA, inSilicon, "dst")
		c.bucket(accountA, inShanghai, "near")
		c.grant(accountA, syncRole, trustOSS, reads("src"), writes("dst"), writes("near"))
		c.spread()
		c.replicate("src", ruleTo("near", inShanghai, nil))
		for _, b := range []string{"src", "dst"} {
			require.NoError(c, c.accelerate(b, true))
			require.NoError(c, c.accelerate(b, false), "the internal link does not use it")
			require.NoError(c, c.accelerate(b, true))
		}
		id := c.replicate("src", ruleTo("dst", inSilicon, to("dst", "oss-us-west-1", oss.TransferTypeOssAcc)))
		inUse := func() {
			c.Helper()
			for _, b := range []string{"src", "dst"} {
				e := c.refused(c.accelerate(b, false), 409, "TransferAccAlreadyInUse", "0028-00000003")
				require.Contains(c, string(e.Snapshot), "<DestinationBucket>dst</DestinationBucket>")
				require.Contains(c, string(e.Snapshot), "<SourceBucket>src</SourceBucket>")
				require.NoError(c, c.accelerate(b, true))
			}
		}
		inUse()
		require.NoError(c, c.accelerate("near", false))
		_, err := c.stop("src", id)
		require.NoError(c, err)
		inUse() // a closing rule counts
		time.Sleep(3 * time.Minute)
		require.NoError(c, c.accelerate("src", false))
		require.NoError(c, c.accelerate("dst", false))
	})
}
