// Package kmskey reads keys of KMS in all regions, and replaces their policies. A
// [Client] fulfils the port Keys of the engine.
//
// Every call is tried once. Texts of errors are stripped of the SDK's URLs, which
// hold key, signature and token. [fact 32]
package kmskey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// DefaultTimeout is how long one call may take when the Config does not say.
const DefaultTimeout = 10 * time.Second

// Config says how to reach KMS.
type Config struct {
	// CredentialsIn returns the access key to sign with for keys of an account; it is
	// asked before every call, because functions get new ones with every invocation
	// [fact 30]. token is "" for one that is not temporary.
	CredentialsIn func(ctx context.Context, account string) (id, secret, token string, err error)
	// Transport carries the requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// EndpointFor returns the endpoint of a region with its scheme; nil is the public
	// one. KMS has one in every region and answers for no other. [fact 64]
	EndpointFor func(region string) string
	// Timeout is for one call with its answer; 0 is DefaultTimeout.
	Timeout time.Duration
}

// A Client speaks to KMS. It is safe for concurrent use.
type Client struct{ config Config }

// New returns a client. It makes no request.
func New(c Config) *Client {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if c.EndpointFor == nil {
		c.EndpointFor = func(region string) string { return "https://kms." + region + ".aliyuncs.com" }
	}
	return &Client{c}
}

// bound gives the requests of a client the context of a call: the SDK has none.
type bound struct {
	ctx  context.Context
	base http.RoundTripper
}

func (b bound) RoundTrip(req *http.Request) (*http.Response, error) {
	return b.base.RoundTrip(req.WithContext(b.ctx))
}

var (
	errNoCredentials = errors.New("there is no access key to sign with")
	errPanicked      = errors.New("the answer is of a form that the SDK cannot read")
)

// do makes one call in the region and for the account of an end. resource is what it is about, for the error. The
// SDK's clients cannot be shared by goroutines, so each call has its own; it is built
// without the constructor of its package, which writes to a global variable.
func (c *Client) do(ctx context.Context, e replication.End, op, resource string, req requests.AcsRequest, resp responses.AcsResponse) error {
	limited, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	key, err := c.key(limited, e.Account)
	if err != nil {
		return fail(limited, op, resource, err)
	}
	endpoint := c.config.EndpointFor(e.Region)
	scheme, host, ok := strings.Cut(strings.TrimSuffix(endpoint, "/"), "://")
	if !ok {
		return &fault.Error{Kind: fault.Terminal, Op: op, Resource: resource, Err: fmt.Errorf("the endpoint %q has no scheme", endpoint)}
	}
	config := sdk.NewConfig().
		WithScheme(strings.ToUpper(scheme)). // the SDK's default is plain HTTP
		WithAutoRetry(false).
		WithTimeout(c.config.Timeout + time.Second) // the context's time-out comes first
	config.Transport = bound{limited, c.config.Transport}
	config.UserAgent = "replidesk"
	client := &sdk.Client{}
	if err := client.InitWithOptions(e.Region, config, key); err != nil {
		return fail(limited, op, resource, err)
	}
	client.Domain = host
	return fail(limited, op, resource, act(client, req, resp))
}

// act makes the call. The SDK panics on some answers, such as a numeric Code.
func act(client *sdk.Client, req requests.AcsRequest, resp responses.AcsResponse) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	return client.DoAction(req, resp)
}

func (c *Client) key(ctx context.Context, account string) (auth.Credential, error) {
	if c.config.CredentialsIn == nil {
		return nil, errNoCredentials
	}
	id, secret, token, err := c.config.CredentialsIn(ctx, account)
	switch {
	case err != nil:
		return nil, err
	case id == "" || secret == "":
		return nil, errNoCredentials
	case token == "":
		return credentials.NewAccessKeyCredential(id, secret), nil
	}
	return credentials.NewStsTokenCredential(id, secret, token), nil
}
