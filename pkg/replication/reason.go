package replication

import (
	"slices"
	"strings"
)

// A Reason is a stable code for why a ticket or job is where it is. Programs may
// switch on it; its meaning and remedy are in [Reasons] and never change.
type Reason string

// Refused tickets: nothing was looked at and nothing was made.
const (
	ReasonMalformed         Reason = "request.malformed"
	ReasonUnknownField      Reason = "request.unknown-field"
	ReasonNotSupported      Reason = "request.not-supported"
	ReasonInvalid           Reason = "request.invalid"
	ReasonInvalidID         Reason = "request.invalid-id"
	ReasonIDReused          Reason = "request.id-reused"
	ReasonUnreadable        Reason = "job.unreadable"
	ReasonHistoricalMissing Reason = "historical.missing"
	ReasonPrefixCount       Reason = "objects.prefix-count"
	ReasonPrefixOverlap     Reason = "objects.prefix-overlap"
	ReasonPrefixInvalid     Reason = "objects.prefix-invalid"
	ReasonTagCount          Reason = "objects.tag-count"
	ReasonTagInvalid        Reason = "objects.tag-invalid"
	ReasonTagTwice          Reason = "objects.tag-twice"
	ReasonTagsRegion        Reason = "objects.tags-region"
	ReasonTagsWithDeletes   Reason = "objects.tags-with-deletes"
	ReasonKMSKeyMissing     Reason = "kms.key-missing"
	ReasonKMSKeyPointless   Reason = "kms.key-pointless"
	ReasonKMSKeyForm        Reason = "kms.key-invalid"
	ReasonKMSKeyARN         Reason = "kms.key-not-arn"
	ReasonKMSKeyRegion      Reason = "kms.key-region-differs"
	ReasonKMSKeyAccount     Reason = "kms.key-account-differs"
	ReasonReserved          Reason = "pair.reserved"
	ReasonSameBucket        Reason = "pair.same-bucket"
	ReasonPairNotAllowed    Reason = "pair.not-allowed"
	ReasonResidency         Reason = "pair.residency"
	ReasonApprovalMissing   Reason = "approval.missing"
	ReasonApprovalInvalid   Reason = "approval.invalid"
	ReasonRequesterMissing  Reason = "approval.requester-missing"
	ReasonAccountUnknown    Reason = "account.unknown"

	ReasonAccelerationWithinRegion Reason = "transfer.within-region"
	ReasonRTCWithinRegion          Reason = "rtc.within-region"
)

// Refused after a look at the cloud: nothing was made.
const (
	ReasonSourceMissing         Reason = "source.bucket-missing"
	ReasonSourceNotOurs         Reason = "source.not-ours"
	ReasonSourceRegion          Reason = "source.region-differs"
	ReasonDestinationMissing    Reason = "destination.bucket-missing"
	ReasonDestinationNotOurs    Reason = "destination.not-ours"
	ReasonDestinationRegion     Reason = "destination.region-differs"
	ReasonVersioningDiffers     Reason = "pair.versioning-differs"
	ReasonVersioningSuspended   Reason = "pair.versioning-suspended"
	ReasonRegionNotAllowed      Reason = "pair.region-not-allowed"
	ReasonAccelerationNeeded    Reason = "transfer.acceleration-needed"
	ReasonAccelerationPointless Reason = "transfer.acceleration-not-offered"
	ReasonRTCNotOffered         Reason = "rtc.not-offered"
	ReasonOverwrite             Reason = "historical.would-overwrite"
	ReasonPairOwned             Reason = "pair.owned"
	ReasonPairDiffers           Reason = "pair.options-differ"
	ReasonKMSDefaultKey         Reason = "kms.destination-default-key"
	ReasonKMSKeyNotFound        Reason = "kms.key-not-found"
	ReasonKMSKeyUnsuited        Reason = "kms.key-unsuited"
	ReasonKMSKeyDefault         Reason = "kms.key-default"
	ReasonKMSKeyDisabled        Reason = "kms.key-disabled"
	ReasonKMSKeyDeleted         Reason = "kms.key-pending-deletion"
	ReasonKMSKeyImport          Reason = "kms.key-pending-import"
	ReasonKMSNotOffered         Reason = "kms.not-offered"
	ReasonRuleExists            Reason = "pair.rule-exists"
	// ReasonDuplicate is that of a ticket that asks for what another one has done, or
	// is about to do.
	ReasonDuplicate Reason = "pair.duplicate-of"
)

// Of adoption.
const (
	ReasonAdoptMissing Reason = "adopt.no-rule"
	ReasonAdoptClosing Reason = "adopt.closing"
	ReasonAdoptDiffers Reason = "adopt.rule-differs"
	ReasonAdoptLeaks   Reason = "adopt.out-of-scope"
	ReasonAdoptUnknown Reason = "adopt.unknown-element"
	ReasonAdoptAccount Reason = "adopt.account-unknown"
	ReasonAdopted      Reason = "job.adopted"
)

// On the way.
const (
	ReasonAccepted        Reason = "job.accepted"
	ReasonWorking         Reason = "job.working"
	ReasonObserveOnly     Reason = "desk.observe-only"
	ReasonCapHour         Reason = "desk.cap-hour"
	ReasonCapAccount      Reason = "desk.cap-account"
	ReasonThrottled       Reason = "cloud.throttled"
	ReasonUnavailable     Reason = "cloud.unavailable"
	ReasonRefused         Reason = "cloud.refused"
	ReasonDenied          Reason = "function.denied"
	ReasonQuota           Reason = "cloud.quota"
	ReasonBucketGone      Reason = "pair.bucket-gone"
	ReasonPairLeaving     Reason = "pair.being-freed"
	ReasonWorkerCrash     Reason = "worker.crash"
	ReasonRoleConflict    Reason = "role.conflict"
	ReasonPolicyConflict  Reason = "policy.conflict"
	ReasonRolePropagating Reason = "role.propagating"
	ReasonRoleUnusable    Reason = "role.unusable"
	ReasonRuleClosing     Reason = "rule.closing"
	ReasonRuleUnseen      Reason = "rule.unseen"
	ReasonRuleDiffers     Reason = "rule.differs"
	ReasonRuleVanished    Reason = "rule.vanished"
	ReasonStarting        Reason = "rule.starting"
	ReasonStartingLate    Reason = "rule.starting-late"
)

// Of the grant at a destination in another account.
const (
	ReasonGrantMissing Reason = "destination.grant-missing"
	ReasonGrantUnseen  Reason = "destination.grant-unseen"
	ReasonGrantDenied  Reason = "destination.policy-denies"
	ReasonPolicyFull   Reason = "destination.policy-full"
	ReasonPolicyOdd    Reason = "destination.policy-unreadable"
	ReasonPolicyBusy   Reason = "destination.policy-busy"
	ReasonUndeclared   Reason = "destination.unseen"
)

// While the live rule is proven, and the causes that the ordered checks find.
const (
	ReasonCanaryUnderway   Reason = "canary.underway"
	ReasonCanaryLate       Reason = "canary.late"
	ReasonCanaryLost       Reason = "canary.lost"
	ReasonCanaryDiffers    Reason = "canary.differs"
	ReasonOutOfScope       Reason = "canary.out-of-scope"
	ReasonDeletionDiffers  Reason = "canary.deletion-differs"
	ReasonWatermarkStands  Reason = "watermark.stands"
	ReasonTrustBroken      Reason = "role.trust-broken"
	ReasonRoleMissing      Reason = "role.missing"
	ReasonPolicyMissing    Reason = "role.policy-missing"
	ReasonPolicyDiffers    Reason = "role.policy-differs"
	ReasonKMSPolicyMissing Reason = "role.kms-policy-missing"
	ReasonKMSKeyUnusable   Reason = "kms.key-unusable"
	ReasonKMSKeyPolicy     Reason = "kms.key-policy-missing"
	ReasonKMSKeyDenied     Reason = "kms.key-policy-denies"
	ReasonKMSKeyUnread     Reason = "kms.key-policy-unread"
	ReasonKMSKeyFull       Reason = "kms.key-policy-full"
	ReasonKMSKeyAccess     Reason = "kms.key-access-quantity"
	ReasonCanaryKey        Reason = "canary.key-differs"
	ReasonVerified         Reason = "job.verified"
	ReasonVerifiedNoCanary Reason = "job.verified-by-watermark"
	ReasonVerifiedUnseen   Reason = "job.verified-unseen"
	ReasonPlanned          Reason = "job.planned"
)

// Of a role that is not the job's own.
const (
	ReasonRoleAcross   Reason = "role.across-accounts"
	ReasonRoleConsent  Reason = "role.consent-missing"
	ReasonRoleDenied   Reason = "role.denied"
	ReasonRoleName     Reason = "role.name-invalid"
	ReasonRoleNotFound Reason = "role.not-found"
	ReasonRoleRights   Reason = "role.rights-missing"
	ReasonMayNotGrant  Reason = "role.may-not-grant"
)

// Of tickets about another one.
const (
	ReasonStopping      Reason = "job.stopping"
	ReasonStopped       Reason = "job.stopped"
	ReasonCancelled     Reason = "job.cancelled"
	ReasonCompleted     Reason = "job.completed"
	ReasonTargetAsked   Reason = "target.asked"
	ReasonTargetBusy    Reason = "target.busy"
	ReasonTargetEarly   Reason = "target.not-watched"
	ReasonTargetEnded   Reason = "target.ended"
	ReasonTargetUnknown Reason = "target.unknown"
	ReasonRetried       Reason = "job.retried"
	ReasonAdjusting     Reason = "rtc.setting"
	ReasonRTCSet        Reason = "rtc.set"
	ReasonRTCUnchanged  Reason = "rtc.unchanged"
	ReasonTargetPair    Reason = "target.other-pair"
	ReasonGapCopy       Reason = "gap.copying"
	ReasonGapChecked    Reason = "gap.checking"
	ReasonGapMissing    Reason = "gap.missing"
	ReasonGapClosed     Reason = "gap.closed"
	ReasonGapAccepted   Reason = "gap.accepted"
	ReasonGapOpen       Reason = "gap.open"
	// ReasonGapUncheckable refuses a ticket, ReasonGapUncompared ends one well.
	ReasonGapUncheckable Reason = "gap.uncheckable"
	ReasonGapUncompared  Reason = "gap.uncompared"
	ReasonTargetUnfit    Reason = "target.unfit"
	ReasonTargetWatched  Reason = "target.watched"
	ReasonTargetFailed   Reason = "target.stop-failed"
	ReasonTargetWaiting  Reason = "target.stopping"
)

// Of the watch.
const (
	ReasonLag             Reason = "watch.lag"
	ReasonBackfillLate    Reason = "watch.backfill-late"
	ReasonBackfillStalled Reason = "watch.backfill-stalled"
	ReasonRecovered       Reason = "watch.recovered"
)

// A ReasonText is what a reason code means and what to do about it.
type ReasonText struct {
	Code    Reason `json:"code"`
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"` // "" where there is nothing to do
}

// Meaning returns what the code means.
func (r Reason) Meaning() string { return r.text().Meaning }

// Remedy returns what to do about it; "" means nothing.
func (r Reason) Remedy() string { return r.text().Remedy }

func (r Reason) text() ReasonText {
	i, ok := slices.BinarySearchFunc(reasons, r, func(t ReasonText, c Reason) int { return strings.Compare(string(t.Code), string(c)) })
	if !ok {
		return ReasonText{Code: r}
	}
	return reasons[i]
}

// Reasons returns every reason code with its meaning and remedy, in the order of the codes.
func Reasons() []ReasonText { return slices.Clone(reasons) }
