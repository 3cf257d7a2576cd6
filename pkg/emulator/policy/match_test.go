package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, pattern, text string
		want                bool
	}{
		{"a star matches the empty run", "a*b", "ab", true},
		{"a star matches slashes", "bucket/*", "bucket/a/b", true},
		{"a star backs up to a later place", "*ab*abc", "xababxabc", true},
		{"a star in the middle needs what follows it", "a*c", "abd", false},
		{"a star at the end may match nothing", "abc*", "abc", true},
		{"a question mark matches one character", "a?c", "abc", true},
		{"a question mark matches one character of several bytes", "a?c", "a你c", true},
		{"a question mark does not match nothing", "a?c", "ac", false},
		{"case counts", "Bucket", "bucket", false},
		{"the empty pattern matches the empty text only", "", "a", false},
		{"brackets are characters like others", "a[bc]", "ab", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, policy.Match(c.pattern, c.text))
		})
	}
}

func TestMatchResource(t *testing.T) {
	const object = "acs:oss:oss-cn-hangzhou:1234567890123456:photos/2026/a.jpg"
	for _, c := range []struct {
		name, pattern, resource string
		want                    bool
	}{
		{"a lone star matches everything", "*", object, true},
		{"stars stand for any region and account", "acs:oss:*:*:photos/*", object, true},
		{"the account is compared", "acs:oss:*:9999999999999999:photos/*", object, false},
		{"the region is compared", "acs:oss:oss-cn-shanghai:*:photos/*", object, false},
		{"the bucket alone is not its objects", "acs:oss:*:*:photos", object, false},
		{"the objects are not the bucket", "acs:oss:*:*:photos/*", "acs:oss:oss-cn-hangzhou:1234567890123456:photos", false},
		{"a bucket with a longer name is another one", "acs:oss:*:*:photos/*", "acs:oss:oss-cn-hangzhou:1234567890123456:photos2/a", false},
		{"case counts", "acs:oss:*:*:Photos/*", object, false},
		{"a star in the region does not reach into the account", "acs:oss:*:photos/2026/a.jpg", object, false},
		{"an empty region stands for all", "acs:ram::1234567890123456:role/reader", "acs:ram:*:1234567890123456:role/reader", true},
		{"an empty account stands for none", "acs:ram:*::role/reader", "acs:ram:*:1234567890123456:role/reader", false},
		{"a key may hold colons", "acs:oss:*:*:photos/a:b*", "acs:oss:oss-cn-hangzhou:1234567890123456:photos/a:b:c", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, policy.MatchResource(c.pattern, c.resource))
		})
	}
}
