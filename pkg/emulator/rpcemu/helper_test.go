package rpcemu_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ram"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/rpcemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const (
	uidA = "1111111111111111"
	uidB = "2222222222222222"

	trustOSS = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}}]}`
	trustA   = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::` + uidA + `:root"]}}]}`
	document = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet"],"Resource":["acs:oss:*:*:src","acs:oss:*:*:src/*"]}]}`
	anything = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

// cloud is a world with the accounts A and B and the handler in front of it.
type cloud struct {
	t       *testing.T
	world   *world.World
	handler http.Handler
	root    world.AccessKey // of A
}

func newCloud(t *testing.T, opt world.Options) *cloud {
	t.Helper()
	opt.Seed = 7
	w := world.New(opt)
	w.AddAccount("A", uidA)
	w.AddAccount("B", uidB)
	return &cloud{t: t, world: w, handler: rpcemu.New(w), root: w.NewRootKey(uidA)}
}

func (c *cloud) user(name string, docs ...string) world.AccessKey {
	var texts [][]byte
	for _, d := range docs {
		texts = append(texts, []byte(d))
	}
	return c.world.NewUserKey(uidA, name, texts...)
}

// config reaches the handler without a socket; on may watch or change the requests.
func (c *cloud) config(on func(*http.Request)) *sdk.Config {
	base := emulator.HandlerTransport(c.handler)
	cfg := sdk.NewConfig()
	cfg.Scheme = "HTTPS"
	cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if on != nil {
			on(r)
		}
		return base.RoundTrip(r)
	})
	return cfg
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func credential(k world.AccessKey) auth.Credential {
	if k.Token != "" {
		return credentials.NewStsTokenCredential(k.ID, k.Secret, k.Token)
	}
	return credentials.NewAccessKeyCredential(k.ID, k.Secret)
}

func (c *cloud) ram(k world.AccessKey) *ram.Client {
	c.t.Helper()
	client, err := ram.NewClientWithOptions("cn-hangzhou", c.config(nil), credential(k))
	require.NoError(c.t, err)
	client.Domain = "ram.aliyuncs.com"
	return client
}

func (c *cloud) sts(k world.AccessKey) *sts.Client {
	c.t.Helper()
	client, err := sts.NewClientWithOptions("cn-hangzhou", c.config(nil), credential(k))
	require.NoError(c.t, err)
	client.Domain = "sts.cn-hangzhou.aliyuncs.com"
	return client
}

// call makes a RAM call that has no type in the SDK, or leaves parameters out. An
// argument is Name=value.
func (c *cloud) call(k world.AccessKey, action string, args ...string) (*responses.CommonResponse, error) {
	c.t.Helper()
	return c.ram(k).ProcessCommonRequest(request("Ram", "2015-05-01", action, args...))
}

func request(product, version, action string, args ...string) *requests.CommonRequest {
	r := requests.NewCommonRequest()
	r.Product, r.Version, r.ApiName, r.Method, r.Scheme = product, version, action, "POST", "HTTPS"
	r.Domain = strings.ToLower(product) + ".aliyuncs.com"
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		r.QueryParams[name] = value
	}
	return r
}

// must makes a call that has to succeed.
func (c *cloud) must(k world.AccessKey, action string, args ...string) {
	c.t.Helper()
	_, err := c.call(k, action, args...)
	require.NoError(c.t, err, action)
}

// code returns the code of a refusal, or "" for a success.
func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	return refusal(t, err).ErrorCode()
}

func refusal(t *testing.T, err error) *sdkerrors.ServerError {
	t.Helper()
	var se *sdkerrors.ServerError
	require.ErrorAs(t, err, &se)
	require.Len(t, se.RequestId(), 36)
	return se
}

// isBroken reports whether the connection broke without an answer.
func isBroken(err error) bool {
	var ue *url.Error
	return errors.As(err, &ue)
}
