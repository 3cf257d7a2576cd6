package engine_test

import (
	"context"

	"github.com/replidesk/replidesk/pkg/replication"
)

func (f *fakeCloud) Encryption(ctx context.Context, e replication.End) (s replication.EncryptionSeen, err error) {
	err = f.do(ctx, "Encryption", func() error { s = f.encrypted[e.Bucket]; return nil })
	return s, err
}

func (f *fakeCloud) Sample(ctx context.Context, _ replication.End, _ []string) (s replication.SampleSeen, err error) {
	err = f.do(ctx, "Sample", func() error { s = f.sample; return nil })
	return s, err
}

func (f *fakeCloud) KeyPolicy(ctx context.Context, _ replication.End, _ string) (s replication.KeyPolicySeen, err error) {
	err = f.do(ctx, "KeyPolicy", func() error { s = replication.KeyPolicySeen{Is: replication.Exists, Document: "{}"}; return nil })
	return s, err
}

func (f *fakeCloud) Key(ctx context.Context, _ replication.End, _ string) (s replication.KeySeen, err error) {
	err = f.do(ctx, "Key", func() error { s = f.key; return nil })
	return s, err
}

// encrypt puts a copy under the key of the rule.
func (f *fakeCloud) encrypt(s *replication.ObjectSeen) {
	for _, g := range f.rules {
		if g.KMSKey != "" {
			s.SSE, s.KMSKey = "KMS", g.KMSKey
		}
	}
}
