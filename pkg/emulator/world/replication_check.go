package world

import (
	"slices"
	"strings"
	"time"
)

// checkRule refuses a rule that does not fit the world as it is.
func (w *World) checkRule(b *Bucket, r *Rule) *Error {
	dst := w.buckets[r.Destination]
	switch {
	case r.Destination == b.Name || dst == nil:
		return invalidTarget()
	case r.Location != dst.Location():
		return refuse(400, "InvalidTargetLocation", "The target bucket you specified does not locate in the target location")
	case slices.ContainsFunc(b.rules, func(o *Rule) bool { return o.Destination == r.Destination }):
		return refuseEC(400, "BucketReplicationAlreadyExist", "0031-00000044", "Bucket replication already exists").
			With("SourceBucket", b.Name).With("DestinationBucket", dst.Name)
	case b.rule(r.ID) != nil:
		return badElement("ID", r.ID, "The ID of the rule is not unique.")
	case len(b.rules) >= maxRulesOut:
		return refuse(400, "TooManyOutgoingReplication", "You have attempted to create more outgoing replication for bucket than allowed")
	case w.rulesTo(dst.Name) >= maxRulesIn:
		return refuse(400, "TooManyIncomingReplication", "You have attempted to create more incoming replication for bucket than allowed")
	}
	if e := w.checkRegions(r, b.Region, dst.Region); e != nil {
		return e
	}
	if b.Versioning != dst.Versioning || b.Versioning == "Suspended" {
		return refuse(400, "InvalidBucketStatus", "The src and dest bucket must have the same versioning status, and it must not be Suspended.")
	}
	return nil
}

// accelerates reports whether the accelerated link may be asked for. It pays across
// the border only; a published sample asks for it within, and a lenient world takes that.
func (w *World) accelerates(from, to string) bool {
	return crossesBorder(from, to) || w.opt.Lenient && from != to
}

// checkRegions refuses what a pair of regions does not offer.
func (w *World) checkRegions(r *Rule, from, to string) *Error {
	switch {
	case !slices.Contains(replicationRegions, from):
		return refuse(400, "NoReplicationLocation", "The bucket does not have corresponding replication location")
	case !slices.Contains(replicationRegions, to):
		return refuse(400, "BadReplicationLocation", "The replication location you choose is invalid")
	case crossesBorder(from, to) && r.TransferType != "oss_acc", !w.accelerates(from, to) && r.TransferType == "oss_acc":
		return badElement("TransferType", r.TransferType, "The transfer type is not supported between "+from+" and "+to+".")
	case r.Tags != nil && (!tagFilterRegion(from) || !tagFilterRegion(to)):
		return badElement("UserTaggings", "", "Tag filters are not supported in this region.")
	case r.RTC != "" && !rtcPair(from, to):
		return rtcNotSupported()
	}
	return nil
}

func invalidTarget() *Error {
	return refuse(400, "InvalidTargetBucket", "The target bucket is invalid for bucket replication.")
}

func rtcNotSupported() *Error {
	return refuse(400, "ReplicationLocationNotSupportRtc", "The replication location does not support RTC.")
}

// rulesTo counts the rules that lead to a bucket, closing ones included.
func (w *World) rulesTo(bucket string) (n int) {
	for _, b := range w.buckets {
		for _, r := range b.rules {
			if r.Destination == bucket {
				n++
			}
		}
	}
	return n
}

// refusesVersioning is asked before the versioning of a bucket becomes status
// ("Enabled" or "Suspended"): one that is in a rule has to stay as its partner is.
func (w *World) refusesVersioning(b *Bucket, status string) *Error {
	if len(b.rules) == 0 && w.rulesTo(b.Name) == 0 {
		return nil
	}
	return refuse(400, "InvalidBucketStatus", "The versioning status of a bucket in a replication rule cannot become "+status+".")
}

// replicator is the service that assumes the role of a rule.
const replicator = "oss.aliyuncs.com"

// checkRoleAtPut refuses a rule whose role OSS cannot assume or that may not read
// the source, as it did in the one documented case.
func (w *World) checkRoleAtPut(b *Bucket, r *Rule, now time.Time) *Error {
	if w.opt.RoleUncheckedAtPut || r.SyncRole == "" {
		return nil
	}
	if _, ok := w.serviceRole(b.Owner, r.SyncRole, replicator, now); !ok {
		return refuse(403, "NoPermission", "OSS cannot assume the role "+r.SyncRole+": it does not exist or does not trust "+replicator+".")
	}
	if !w.maySource(r, b, r.sampleKey(), true, now) {
		return refuse(403, "NoPermission", "The role "+r.SyncRole+" has no right to replicate from the bucket "+b.Name+".")
	}
	if dst := w.buckets[r.Destination]; w.opt.GrantCheckedAtPut && !w.mayWrite(r, b, dst, r.sampleKey(), now) {
		return refuse(403, "NoPermission", "The role "+r.SyncRole+" has no right to replicate to the bucket "+dst.Name+".")
	}
	return nil
}

// maySource reports whether the role may read one object of the source and, for
// history, list it.
func (w *World) maySource(r *Rule, src *Bucket, key string, list bool, now time.Time) bool {
	return w.roleMay(r, src, src, "oss:ReplicateGet", key, now) && (!list || w.roleMay(r, src, src, "oss:ReplicateList", "", now))
}

// mayWrite reports whether the role may write one object at the destination. The
// documents call all three rights the minimum there and do not say what each is for,
// so a role without one of them writes nothing.
func (w *World) mayWrite(r *Rule, src, dst *Bucket, key string, now time.Time) bool {
	return w.roleMay(r, src, dst, "oss:ReplicatePut", key, now) && w.roleMay(r, src, dst, "oss:ReplicateGet", key, now) &&
		w.roleMay(r, src, dst, "oss:ReplicateList", "", now)
}

// sampleKey is a key in the rule's scope, for the question whether the role may do
// its work at all.
func (r *Rule) sampleKey() string {
	if len(r.Prefixes) > 0 {
		return r.Prefixes[0] + "replica"
	}
	return "replica"
}

// roleMay reports whether OSS may do something to b through the role of a rule with
// source src. key is "" for the bucket itself.
//
// In the account of the source only the policies of the role count, and no bucket
// policy. In another account only the bucket policy does, but a Deny among the
// role's own policies stands.
func (w *World) roleMay(r *Rule, src, b *Bucket, action, key string, now time.Time) bool {
	a := Access{Action: action, Resource: "acs:oss:" + b.Location() + ":" + b.Owner + ":" + b.Name, Owner: b.Owner}
	if key != "" {
		a.Resource += "/" + key
	}
	if r.SyncRole == "" { // then OSS works by itself, inside one account
		return b.Owner == src.Owner
	}
	role, ok := w.serviceRole(src.Owner, r.SyncRole, replicator, now)
	if !ok {
		return false
	}
	own := w.roleAllows(src.Owner, role, a, now)
	if b.Owner == src.Owner || own == ExplicitDeny {
		return own == Allow
	}
	session := "arn:sts::" + src.Owner + ":assumed-role/" + strings.ToLower(role.Name) + "/oss-replication"
	return resourceAllows(b.Policy, session, a.at(now)) == Allow
}
