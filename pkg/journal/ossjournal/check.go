package ossjournal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// A BucketError says why a bucket cannot carry journals. Its kind is fault.Terminal.
type BucketError struct {
	Bucket   string
	Problems []Problem
}

// A Problem is one thing that is wrong with the bucket, and what to do about it.
type Problem struct {
	Setting      Setting // which is wrong
	Text, Remedy string
	Err          error // driver.ErrVersioned or nil
}

// A Setting is one that a bucket has to have.
type Setting string

// The settings.
const (
	SettingVersioning Setting = "versioning"
	SettingACL        Setting = "ACL"
	SettingEncryption Setting = "encryption"
	SettingLifecycle  Setting = "lifecycle"
)

func (e *BucketError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Text
	}
	return fmt.Sprintf("bucket %s cannot carry journals: %s", e.Bucket, strings.Join(texts, "; "))
}

// Unwrap gives the kind, and driver.ErrVersioned when that is among the problems.
func (e *BucketError) Unwrap() []error {
	errs := []error{fault.Terminal}
	for _, p := range e.Problems {
		if p.Err != nil {
			errs = append(errs, p.Err)
		}
	}
	return errs
}

// Check reads the settings of the bucket and returns a *BucketError when they are
// not as they have to be, or another error when they cannot be read. Once an
// instance is enough. A Store that finds its bucket versioned writes nothing more.
func (s *Store) Check(ctx context.Context) error {
	res, err := s.client.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr(s.bucket)})
	if err != nil {
		return s.fail(ctx, "GetBucketInfo", s.bucket, err)
	}
	problems, err := s.problems(ctx, res.BucketInfo)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return &BucketError{Bucket: s.bucket, Problems: problems}
	}
	return nil
}

// problems returns what is wrong with the settings of the bucket.
func (s *Store) problems(ctx context.Context, info oss.BucketInfo) ([]Problem, error) {
	problems := s.settings(info)
	rules, err := s.lifecycleRules(ctx)
	if err != nil {
		return nil, err
	}
	if rules > 0 {
		problems = append(problems, Problem{
			Setting: SettingLifecycle,
			Text:    fmt.Sprintf("it has %d lifecycle rules, which could delete or archive entries", rules),
			Remedy:  "remove the lifecycle rules",
		})
	}
	return problems, nil
}

func (s *Store) settings(info oss.BucketInfo) []Problem {
	var problems []Problem
	if v := oss.ToString(info.Versioning); v != "" && v != "Disabled" {
		s.versioned.Store(true)
		problems = append(problems, Problem{
			Setting: SettingVersioning,
			Text:    "its versioning is " + v + ", and OSS then ignores the wish not to overwrite",
			Remedy:  "make a new bucket: versioning can be suspended, but never taken back",
			Err:     driver.ErrVersioned,
		})
	}
	if acl := oss.ToString(info.ACL); acl != "private" {
		problems = append(problems, Problem{Setting: SettingACL, Text: fmt.Sprintf("its ACL is %q", acl), Remedy: "set the ACL to private"})
	}
	if sse := oss.ToString(info.SseRule.SSEAlgorithm); sse != "AES256" {
		problems = append(problems, Problem{
			Setting: SettingEncryption,
			Text:    fmt.Sprintf("its default encryption is %q", sse),
			Remedy:  "set the default encryption to SSE-OSS with AES256",
		})
	}
	return problems
}

func (s *Store) lifecycleRules(ctx context.Context) (int, error) {
	res, err := s.client.GetBucketLifecycle(ctx, &oss.GetBucketLifecycleRequest{Bucket: oss.Ptr(s.bucket)})
	var se *oss.ServiceError
	if errors.As(err, &se) && se.Code == "NoSuchLifecycle" {
		return 0, nil
	}
	if err != nil {
		return 0, s.fail(ctx, "GetBucketLifecycle", s.bucket, err)
	}
	if res.LifecycleConfiguration == nil {
		return 0, nil
	}
	return len(res.LifecycleConfiguration.Rules), nil
}
