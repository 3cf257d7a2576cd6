package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// handRole is the role of rules that were made by hand: it may do everything.
const handRole = "made-by-hand"

// makeHandRole makes the role of rules made by hand, as an administrator did long ago.
func makeHandRole(w *world.World, uid string) error {
	trust := `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}}]}`
	if _, refused := w.CreateRole(uid, world.NewRole{Name: handRole, Trust: trust}); refused != nil {
		return fmt.Errorf("role %s: %w", handRole, refused)
	}
	everything := `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"}]}`
	if _, refused := w.CreatePolicy(uid, handRole, everything, "", nil); refused != nil {
		return fmt.Errorf("policy %s: %w", handRole, refused)
	}
	if refused := w.AttachPolicyToRole(uid, world.TypeCustom, handRole, handRole, world.View{}); refused != nil {
		return fmt.Errorf("policy %s: %w", handRole, refused)
	}
	return nil
}

// ruleByHand puts the rule of a pair as somebody at the console does, and waits until
// OSS knows its role.
func (p *pair) ruleByHand(ctx context.Context) error {
	action := "PUT"
	if p.deletes {
		action = "ALL"
	}
	history := oss.HistoricalObjectReplicationDisabled
	if p.historical {
		history = oss.HistoricalObjectReplicationEnabled
	}
	rule := oss.ReplicationRule{
		Destination: &oss.ReplicationDestination{Bucket: &p.dest.bucket, Location: oss.Ptr("oss-" + p.dest.region), TransferType: oss.TransferTypeInternal},
		Action:      &action, HistoricalObjectReplication: history, SyncRole: oss.Ptr(handRole),
	}
	if len(p.prefixes) > 0 {
		rule.PrefixSet = &oss.ReplicationPrefixSet{Prefixs: p.prefixes}
	}
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		_, err := p.clients.at(p.source).PutBucketReplication(ctx, &oss.PutBucketReplicationRequest{
			Bucket: &p.source.bucket, ReplicationConfiguration: &oss.ReplicationConfiguration{Rules: []oss.ReplicationRule{rule}},
		})
		if err == nil || !strings.Contains(err.Error(), "NoPermission") {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
