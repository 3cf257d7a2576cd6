package emulator

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ram"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscreds "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	ali_mns "github.com/aliyun/aliyun-mns-go-sdk"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestTheReadyMadeWorldHasTwoAccounts(t *testing.T) {
	c, acc := Ready(world.Options{})
	require.Regexp(t, `^[1-9][0-9]{15}$`, acc.A.UID)
	require.Regexp(t, `^[1-9][0-9]{15}$`, acc.B.UID)
	require.NotEqual(t, acc.A.UID, acc.B.UID)
	for _, k := range []world.AccessKey{acc.A.Root, acc.A.User, acc.B.Root, acc.B.User} {
		got, ok := c.World.Key(k.ID)
		require.True(t, ok)
		require.Equal(t, k, got)
	}
	require.Len(t, Regions(), 4)

	_, other := Ready(world.Options{})
	require.NotEqual(t, acc.A.UID, other.A.UID, "ids are new each time")
	require.NotEqual(t, acc.A.Root.Secret, other.A.Root.Secret)
	_, one := Ready(world.Options{Seed: 7})
	_, two := Ready(world.Options{Seed: 7})
	require.Equal(t, one, two, "unless there is a seed")
}

// services drives one call of each service through its official SDK.
func services(t *testing.T, ctx context.Context, acc Account, rt http.RoundTripper, at func(host string) (endpoint, scheme string)) {
	t.Helper()
	endpoint, scheme := at("oss-cn-hangzhou.aliyuncs.com")
	store := oss.NewClient(oss.LoadDefaultConfig().
		WithCredentialsProvider(osscreds.NewStaticCredentialsProvider(acc.User.ID, acc.User.Secret)).
		WithRegion("cn-hangzhou").WithEndpoint(scheme + "://" + endpoint).
		WithHttpClient(&http.Client{Transport: rt}))
	_, err := store.PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("ready-made-bucket")})
	require.NoError(t, err)
	_, err = store.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("ready-made-bucket"), Key: oss.Ptr("a/b c.txt"), Body: strings.NewReader("hello")})
	require.NoError(t, err)
	got, err := store.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("ready-made-bucket"), Key: oss.Ptr("a/b c.txt")})
	require.NoError(t, err)
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	require.Equal(t, "hello", string(body))

	config := sdk.NewConfig().WithAutoRetry(false)
	config.Transport = rt
	cred := credentials.NewAccessKeyCredential(acc.User.ID, acc.User.Secret)
	roles, err := ram.NewClientWithOptions("cn-hangzhou", config, cred)
	require.NoError(t, err)
	create := ram.CreateCreateRoleRequest()
	create.Domain, create.Scheme = at("ram.aliyuncs.com")
	create.RoleName = "ready"
	create.AssumeRolePolicyDocument = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::` + acc.UID + `:root"]}}]}`
	_, err = roles.CreateRole(create)
	require.NoError(t, err)

	tokens, err := sts.NewClientWithOptions("cn-hangzhou", config, cred)
	require.NoError(t, err)
	who := sts.CreateGetCallerIdentityRequest()
	who.Domain, who.Scheme = at("sts.cn-hangzhou.aliyuncs.com")
	me, err := tokens.GetCallerIdentity(who)
	require.NoError(t, err)
	require.Equal(t, acc.UID, me.AccountId)

	keys, err := kms.NewClientWithOptions("us-west-1", config, cred)
	require.NoError(t, err)
	made := kms.CreateCreateKeyRequest()
	made.Domain, made.Scheme = at("kms.us-west-1.aliyuncs.com")
	key, err := keys.CreateKey(made)
	require.NoError(t, err)
	require.Equal(t, "acs:kms:us-west-1:"+acc.UID+":key/"+key.KeyMetadata.KeyId, key.KeyMetadata.Arn)
}

func TestEverySDKReachesTheCloudInsideTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, acc := Ready(world.Options{})
		services(t, t.Context(), acc.A, c.Transport(), func(host string) (string, string) { return host, "https" })
		calls, _ := c.World.Calls(0)
		seen := map[string]bool{}
		for _, call := range calls {
			seen[call.Service] = true
			require.Equal(t, acc.A.User.Principal.ARN(), call.Caller)
		}
		require.Equal(t, map[string]bool{"oss": true, "ram": true, "sts": true, "kms": true}, seen)
	})
}

func TestEverySDKReachesTheCloudOverLoopback(t *testing.T) {
	c, acc := Ready(world.Options{})
	srv, err := c.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	defer srv.Close()
	rt := &http.Transport{DisableKeepAlives: true}
	services(t, t.Context(), acc.B, rt, func(string) (string, string) { return strings.TrimPrefix(srv.URL, "http://"), "http" })

	cli := ali_mns.NewAliMNSClientWithConfig(ali_mns.AliMNSClientConfig{
		EndPoint: srv.MNSEndpoint(acc.B.UID, "us-east-1"), AccessKeyId: acc.B.User.ID, AccessKeySecret: acc.B.User.Secret,
	})
	require.NoError(t, ali_mns.NewMNSQueueManager(cli).CreateSimpleQueue("tickets"))
	sent, err := ali_mns.NewMNSQueue("tickets", cli).SendMessage(ali_mns.MessageSendRequest{MessageBody: "x", Priority: 8})
	require.NoError(t, err)
	require.NotEmpty(t, sent.MessageId)
	info, err := c.World.QueueStats("us-east-1", acc.B.UID, "tickets")
	require.NoError(t, err)
	require.Equal(t, 1, info.Active)
}

func TestTheCloudIsAProxyForClientsThatKeepTheRealHostNames(t *testing.T) {
	c, acc := Ready(world.Options{})
	srv, err := c.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	defer srv.Close()
	proxy, err := url.Parse(srv.URL)
	require.NoError(t, err)
	rt := &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}
	services(t, t.Context(), acc.A, rt, func(host string) (string, string) { return host, "http" })
}

func TestTheCloudListensOnLoopbackOnly(t *testing.T) {
	c, _ := Ready(world.Options{})
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "example.org:80", "127.0.0.1"} {
		_, err := c.Listen(t.Context(), addr)
		require.Error(t, err, addr)
	}
}

func TestAServerEndsWithItsContext(t *testing.T) {
	c, _ := Ready(world.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	srv, err := c.Listen(ctx, "127.0.0.1:0")
	require.NoError(t, err)
	c.World.Break(world.Fault{Kind: world.FaultHang})
	failed := make(chan error, 1)
	go func() {
		_, err := http.Get(srv.URL)
		failed <- err
	}()
	time.AfterFunc(50*time.Millisecond, cancel)
	require.Error(t, <-failed, "a call under way ends too")
	srv.Close()
	_, err = http.Get(srv.URL)
	require.Error(t, err)
}
