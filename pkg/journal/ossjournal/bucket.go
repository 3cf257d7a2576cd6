package ossjournal

import (
	"context"
	"errors"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/fault"
)

// BucketClient is what a Bucket calls. *oss.Client is one.
type BucketClient interface {
	Client
	PutBucket(context.Context, *oss.PutBucketRequest, ...func(*oss.Options)) (*oss.PutBucketResult, error)
	PutBucketAcl(context.Context, *oss.PutBucketAclRequest, ...func(*oss.Options)) (*oss.PutBucketAclResult, error)
	PutBucketEncryption(context.Context, *oss.PutBucketEncryptionRequest, ...func(*oss.Options)) (*oss.PutBucketEncryptionResult, error)
	DeleteBucketLifecycle(context.Context, *oss.DeleteBucketLifecycleRequest, ...func(*oss.Options)) (*oss.DeleteBucketLifecycleResult, error)
	DeleteBucket(context.Context, *oss.DeleteBucketRequest, ...func(*oss.Options)) (*oss.DeleteBucketResult, error)
}

// A Bucket makes the bucket of a Store, and takes it away. No function does that: it is
// for the people who set a desk up, and needs their rights.
type Bucket struct {
	client BucketClient
	name   string
}

// NewBucket returns a bucket that need not exist. It calls nothing.
func NewBucket(client BucketClient, name string) *Bucket { return &Bucket{client: client, name: name} }

// BucketSeen is what a bucket was seen to be.
type BucketSeen struct {
	Exists     bool
	Owner      string // UID
	Location   string // such as oss-cn-hangzhou
	Redundancy string // ZRS: in several zones of its region; LRS: in one
	Problems   []Problem
	Now        time.Time // of OSS, in whole seconds; the zero time when it does not tell
}

// Look reads all that a Store asks of its bucket. A bucket that does not exist is no
// error. It needs oss:GetBucketInfo and oss:GetBucketLifecycle.
func (b *Bucket) Look(ctx context.Context) (BucketSeen, error) {
	s := New(b.client, b.name)
	res, err := b.client.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: &b.name})
	if err != nil {
		var se *oss.ServiceError
		if errors.As(err, &se) && se.Code == "NoSuchBucket" {
			return BucketSeen{Now: date(se.Headers)}, nil
		}
		return BucketSeen{}, s.fail(ctx, "GetBucketInfo", b.name, err)
	}
	info := res.BucketInfo
	seen := BucketSeen{
		Exists: true, Location: oss.ToString(info.Location), Redundancy: oss.ToString(info.DataRedundancyType), Now: date(res.Headers),
	}
	if info.Owner != nil {
		seen.Owner = oss.ToString(info.Owner.ID)
	}
	seen.Problems, err = s.problems(ctx, info)
	return seen, err
}

// Create makes the bucket: private, encrypted by OSS, and kept in several zones of its
// region. One that is there already, and is ours, stays as it is: OSS takes such a put
// for a change of its ACL only. [fact 77]
func (b *Bucket) Create(ctx context.Context) error {
	_, err := b.client.PutBucket(ctx, &oss.PutBucketRequest{
		Bucket: &b.name, Acl: oss.BucketACLPrivate,
		CreateBucketConfiguration: &oss.CreateBucketConfiguration{DataRedundancyType: oss.DataRedundancyZRS},
	})
	if err != nil {
		return classify(ctx, "PutBucket", b.name, err)
	}
	return b.Repair(ctx, SettingEncryption)
}

// Repair sets one setting to what it has to be. Lifecycle rules are deleted, all of
// them. Versioning cannot be taken back: that is fault.Terminal.
func (b *Bucket) Repair(ctx context.Context, s Setting) error {
	var op string
	var err error
	switch s {
	case SettingACL:
		op = "PutBucketAcl"
		_, err = b.client.PutBucketAcl(ctx, &oss.PutBucketAclRequest{Bucket: &b.name, Acl: oss.BucketACLPrivate})
	case SettingEncryption:
		op = "PutBucketEncryption"
		_, err = b.client.PutBucketEncryption(ctx, &oss.PutBucketEncryptionRequest{Bucket: &b.name, ServerSideEncryptionRule: &oss.ServerSideEncryptionRule{
			ApplyServerSideEncryptionByDefault: &oss.ApplyServerSideEncryptionByDefault{SSEAlgorithm: oss.Ptr("AES256")}}})
	case SettingLifecycle:
		op = "DeleteBucketLifecycle"
		_, err = b.client.DeleteBucketLifecycle(ctx, &oss.DeleteBucketLifecycleRequest{Bucket: &b.name})
	default:
		return &fault.Error{Kind: fault.Terminal, Op: "Repair", Resource: b.name, Err: errors.New("the " + string(s) + " of a bucket cannot be repaired")}
	}
	if err != nil {
		return classify(ctx, op, b.name, err)
	}
	return nil
}

// Delete deletes every object in the bucket, and then the bucket: the journal, and all
// that was ever known of any ticket. Nothing brings it back.
func (b *Bucket) Delete(ctx context.Context) error {
	s := New(b.client, b.name)
	for {
		page, err := s.list(ctx, "", "", pageSize)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			if err := s.delete(ctx, oss.ToString(o.Key)); err != nil {
				return err
			}
		}
		if !page.IsTruncated {
			break
		}
	}
	if _, err := b.client.DeleteBucket(ctx, &oss.DeleteBucketRequest{Bucket: &b.name}); err != nil {
		return classify(ctx, "DeleteBucket", b.name, err)
	}
	return nil
}

// Repairable reports whether [Bucket.Repair] can set it.
func (s Setting) Repairable() bool { return s != SettingVersioning }
