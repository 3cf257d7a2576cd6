package ossrepl

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/retry"

	"github.com/replidesk/replidesk/pkg/replication"
)

// DefaultTimeout is how long one call may take when the Config does not say.
const DefaultTimeout = 10 * time.Second

// maxAnswer is the longest XML answer that is read, in bytes. The longest known is
// a configuration of 100 rules with 100 prefixes of 1,023 bytes. [fact 7]
const maxAnswer = 16 << 20

// Config says how to reach OSS.
type Config struct {
	// Credentials returns the access key to sign with; it is asked before every
	// request, because functions get new ones with every invocation [fact 30].
	// token is "" for a key that is not temporary.
	Credentials func() (id, secret, token string)
	// CredentialsIn returns the access key for the buckets of an account. nil signs
	// with Credentials everywhere.
	CredentialsIn func(ctx context.Context, account string) (id, secret, token string, err error)
	// Transport carries the requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// EndpointFor returns the endpoint of a region with its scheme, or "" for the
	// public one. nil always means the public one. An IP address or localhost is
	// addressed path-style.
	EndpointFor func(region string) string
	// Timeout is for one call with its answer; 0 is DefaultTimeout.
	Timeout time.Duration
	// Internal takes the endpoints inside the cloud where EndpointFor has none.
	Internal bool
}

// A Client speaks to OSS in all regions and accounts. It is safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client

	mu      sync.Mutex
	clients map[place]*oss.Client
}

// A place is what a client of the SDK is for.
type place struct{ region, account string }

// New returns a client. It makes no request.
func New(c Config) *Client {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	return &Client{
		config:  c,
		clients: map[place]*oss.Client{},
		http: &http.Client{
			Transport: c.Transport,
			Timeout:   c.Timeout,
			// A redirect would carry the signature to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// at returns the SDK's client for the region and account of a bucket.
func (c *Client) at(e replication.End) *oss.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, region := place{e.Region, e.Account}, e.Region
	if cl, ok := c.clients[p]; ok {
		return cl
	}
	cfg := oss.LoadDefaultConfig().
		WithRegion(region).
		WithHttpClient(c.http).
		WithCredentialsProvider(credentials.CredentialsProviderFunc(c.credentialsIn(e.Account))).
		WithRetryer(retry.NopRetryer{}).
		WithRetryMaxAttempts(1). // the engine looks before it repeats anything [fact 37]
		WithUseInternalEndpoint(c.config.Internal).
		WithUserAgent("replidesk")
	if c.config.EndpointFor != nil {
		if endpoint := c.config.EndpointFor(region); endpoint != "" {
			cfg = cfg.WithEndpoint(endpoint).WithUsePathStyle(isAddress(endpoint))
		}
	}
	cl := oss.NewClient(cfg, func(o *oss.Options) {
		// The SDK writes the offset of a clock that runs wrong without a lock.
		o.FeatureFlags &^= oss.FeatureCorrectClockSkew
	})
	c.clients[p] = cl
	return cl
}

// isAddress reports whether an endpoint names no bucket-carrying domain.
func isAddress(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()) != nil)
}

var errNoCredentials = errors.New("there is no access key to sign with")

// credentialsIn returns what signs requests for the buckets of an account.
func (c *Client) credentialsIn(account string) func(context.Context) (credentials.Credentials, error) {
	return func(ctx context.Context) (credentials.Credentials, error) {
		var (
			id, secret, token string
			err               error
		)
		switch {
		case c.config.CredentialsIn != nil:
			id, secret, token, err = c.config.CredentialsIn(ctx, account)
		case c.config.Credentials != nil:
			id, secret, token = c.config.Credentials()
		}
		if err == nil && (id == "" || secret == "") {
			err = errNoCredentials
		}
		if err != nil {
			return credentials.Credentials{}, err
		}
		return credentials.Credentials{AccessKeyID: id, AccessKeySecret: secret, SecurityToken: token}, nil
	}
}

// read gets one setting of a bucket, or of the account when bucket is "", and decodes it into a struct whose XMLName
// names the root element. The SDK's own results do not check it, so that any other
// document would pass for an empty configuration; and they drop what they do not know.
func (c *Client) read(ctx context.Context, op string, e replication.End, query map[string]string, into any) error {
	in := &oss.OperationInput{OpName: op, Method: http.MethodGet, Parameters: query}
	if e.Bucket != "" {
		in.Bucket = &e.Bucket
	}
	out, err := c.at(e).InvokeOperation(ctx, in)
	if err != nil {
		return err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(body) > maxAnswer:
		return &unreadable{fmt.Errorf("the answer is longer than %d bytes", maxAnswer), out.Headers}
	}
	if err := xml.Unmarshal(body, into); err != nil {
		return &unreadable{fmt.Errorf("the answer cannot be read: %w", err), out.Headers}
	}
	return nil
}

// plainRegion takes "oss-" off the name of a location.
func plainRegion(location string) string {
	return strings.TrimPrefix(strings.TrimSpace(location), "oss-")
}
