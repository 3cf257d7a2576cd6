package ramgrant

import (
	"context"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"

	"github.com/replidesk/replidesk/pkg/fault"
)

const (
	// sessionTime is for how long a role is assumed: the longest time that every role
	// allows. [fact 72]
	sessionTime = time.Hour
	// renewBefore is how long before their end keys are not used any more: longer than
	// any invocation.
	renewBefore = 10 * time.Minute
	// sessionName is what the other account's logs show for our calls.
	sessionName = "replidesk"

	opAssume = "AssumeRole"
)

// Sessions keep the keys of roles that are assumed, for as long as they are good. They
// are safe for concurrent use. Make them with [Client.Sessions].
type Sessions struct {
	client *Client
	// turn holds one token. Who has it may use keys, also while a role is being assumed:
	// one call serves all, and whoever waits for it still heeds its context.
	turn chan struct{}
	keys map[string]sessionKey
}

type sessionKey struct {
	id, secret, token string
	until             time.Time
}

// Sessions returns an empty set of sessions.
func (c *Client) Sessions() *Sessions {
	return &Sessions{client: c, turn: make(chan struct{}, 1), keys: map[string]sessionKey{}}
}

// Key returns the temporary access key of a role, given by its ARN. A role that does
// not exist is fault.Denied, like one that does not trust us: somebody has to see to it.
func (s *Sessions) Key(ctx context.Context, role string) (id, secret, token string, err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", "", "", fail(ctx, opAssume, role, ctx.Err())
	}
	k, ok := s.keys[role]
	if !ok || !time.Now().Before(k.until.Add(-renewBefore)) {
		if k, err = s.client.assume(ctx, role); err != nil {
			return "", "", "", err
		}
		s.keys[role] = k
	}
	return k.id, k.secret, k.token, nil
}

func (c *Client) assume(ctx context.Context, role string) (sessionKey, error) {
	req, resp := sts.CreateAssumeRoleRequest(), sts.CreateAssumeRoleResponse()
	req.RoleArn, req.RoleSessionName = role, sessionName
	req.DurationSeconds = requests.NewInteger(int(sessionTime.Seconds()))
	err := c.do(ctx, c.config.STS, opAssume, role, req, resp)
	if f, ok := err.(*fault.Error); ok && f.Kind == fault.NotFound {
		f.Kind = fault.Denied
	}
	if err != nil {
		return sessionKey{}, err
	}
	k := resp.Credentials
	until, err := time.Parse(time.RFC3339, k.Expiration)
	if err != nil || k.AccessKeyId == "" || k.AccessKeySecret == "" || k.SecurityToken == "" {
		return sessionKey{}, otherAnswer(opAssume, role, resp.RequestId)
	}
	return sessionKey{k.AccessKeyId, k.AccessKeySecret, k.SecurityToken, until}, nil
}
