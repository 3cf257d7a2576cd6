package world

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A RuleRequest is a rule as a client sends it. A nil string is an element that is
// not there, which is not the same as an empty one.
type RuleRequest struct {
	ID           *string
	Bucket       *string // of the destination
	Location     *string
	TransferType *string
	Prefixes     []string
	Action       *string
	Historical   *string // HistoricalObjectReplication
	SyncRole     *string
	RTC          *string // RTC/Status
	KMS          *string // SourceSelectionCriteria/SseKmsEncryptedObjects/Status
	KMSKeyID     *string // EncryptionConfiguration/ReplicaKmsKeyID
	Tags         *TagFilter
}

// empty reports whether the rule says nothing at all.
func (q RuleRequest) empty() bool {
	for _, p := range []*string{q.ID, q.Bucket, q.Location, q.TransferType, q.Action, q.Historical, q.SyncRole, q.RTC, q.KMS, q.KMSKeyID} {
		if p != nil {
			return false
		}
	}
	return q.Prefixes == nil && q.Tags == nil
}

// onlyRule returns the one rule of a request. A configuration without content is
// malformed, and one whose rule is empty has no rule: the documents know both
// errors and do not say where they part.
func onlyRule(rules []RuleRequest) (RuleRequest, *Error) {
	switch {
	case len(rules) == 0:
		return RuleRequest{}, refuseEC(400, "MalformedXML", "0031-00000001", "The XML you provided was not well-formed or did not validate against our published schema.")
	case len(rules) > 1:
		return RuleRequest{}, tooManyRules()
	case rules[0].empty():
		return RuleRequest{}, refuse(400, "NoReplicationRule", "No replication rule specified")
	}
	return rules[0], nil
}

// readRule fills r from the request and refuses what is wrong whatever the world
// looks like.
func (w *World) readRule(r *Rule, q RuleRequest) *Error {
	for _, read := range []func(*Rule, RuleRequest) *Error{
		w.readDestination, w.readID, w.readAction, w.readHistorical, w.readPrefixes, w.readTags, w.readRole, w.readKMS,
	} {
		if e := read(r, q); e != nil {
			return e
		}
	}
	if q.RTC != nil {
		on, e := readRTC(*q.RTC)
		if e != nil {
			return e
		}
		if on {
			r.RTC = RTCEnabling
		}
	}
	return nil
}

func (w *World) readDestination(r *Rule, q RuleRequest) *Error {
	if q.Bucket == nil || q.Location == nil {
		return refuse(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema.")
	}
	r.Destination, r.Location = *q.Bucket, *q.Location
	if !validBucketName(r.Destination) {
		e := invalidTarget()
		e.EC = "0031-00000101"
		return e
	}
	if q.TransferType == nil || *q.TransferType == "" {
		if !w.opt.Lenient {
			return refuse(400, "MissingArgument", "The TransferType is missing.").With("ArgumentName", "TransferType")
		}
		r.TransferType = "internal"
		return nil
	}
	r.TransferType = *q.TransferType
	if r.TransferType != "internal" && r.TransferType != "oss_acc" {
		return badElement("TransferType", r.TransferType, "The transfer type is not supported.")
	}
	return nil
}

func (w *World) readID(r *Rule, q RuleRequest) *Error {
	if q.ID == nil || *q.ID == "" && w.opt.Lenient {
		r.ID = w.uuid()
		return nil
	}
	r.ID = *q.ID
	if r.ID == "" || utf8.RuneCountInString(r.ID) > maxRuleID {
		return badElement("ID", r.ID, "The ID of the rule must have 1 to 255 characters.")
	}
	return nil
}

func (w *World) readAction(r *Rule, q RuleRequest) *Error {
	r.Action = "ALL"
	if q.Action == nil || *q.Action == "" && w.opt.Lenient {
		return nil
	}
	r.Action = *q.Action
	for a := range strings.SplitSeq(r.Action, ",") {
		if !slices.Contains([]string{"ALL", "PUT", "DELETE", "ABORT"}, a) {
			e := badElement("Action", r.Action, "The replication action is invalid.")
			e.EC = "0031-00000023"
			return e
		}
	}
	return nil
}

func (w *World) readHistorical(r *Rule, q RuleRequest) *Error {
	switch {
	case q.Historical == nil, *q.Historical == "" && w.opt.Lenient, *q.Historical == "enabled":
		r.Historical = true
	case *q.Historical != "disabled":
		e := badElement("HistoricalObjectReplication", *q.Historical, "The value of HistoricalObjectReplication is invalid.")
		e.EC = "0031-00000011"
		return e
	}
	return nil
}

func (w *World) readPrefixes(r *Rule, q RuleRequest) *Error {
	if len(q.Prefixes) > maxPrefixes {
		return refuse(400, "TooManyPrefixes", "The number of prefixes exceeds the limit.")
	}
	for i, p := range q.Prefixes {
		switch {
		case !utf8.ValidString(p):
			e := badElement("Prefix", strings.ToValidUTF8(p, "?"), "The prefix is not encoded in UTF-8.")
			e.EC = "0031-00000018"
			return e
		case utf8.RuneCountInString(p) > maxPrefixRunes:
			return badElement("Prefix", p, "The prefix must have at most 1023 characters.")
		case p == "" && !w.opt.Lenient:
			return badElement("Prefix", p, "The prefix is empty.")
		case strings.HasSuffix(p, "*"):
			return badElement("Prefix", p, "The prefix must not end with an asterisk.")
		case strings.Contains(p, r.Source):
			return badElement("Prefix", p, "The prefix must not contain the name of the bucket.")
		}
		for _, other := range q.Prefixes[:i] {
			if strings.HasPrefix(p, other) || strings.HasPrefix(other, p) {
				e := badElement("Prefix", p, "The prefixes overlap.")
				e.EC = "0031-00000019"
				return e
			}
		}
	}
	if len(q.Prefixes) == 1 && q.Prefixes[0] == "" {
		return nil // the whole bucket
	}
	r.Prefixes = slices.Clone(q.Prefixes)
	return nil
}

func (w *World) readTags(r *Rule, q RuleRequest) *Error {
	if q.Tags == nil {
		return nil
	}
	switch {
	case len(q.Tags.Tags) > maxFilterTags:
		return refuse(400, "TooManyFilterObjectTags", "The number of filter tags exceeds the limit.")
	case len(q.Tags.Tags) == 0:
		return badElement("UserTaggings", "", "The tag filter has no tag.")
	case q.Tags.Type != "AND" && q.Tags.Type != "OR":
		return badElement("FilterType", q.Tags.Type, "The filter type must be AND or OR.")
	case slices.ContainsFunc(q.Tags.Tags, func(t Tag) bool { return t.Key == "" }):
		return badElement("UserTagging", "", "The key of a tag is empty.")
	case r.does("DELETE"):
		return badElement("Action", r.Action, "A rule with a tag filter cannot replicate deletes.")
	}
	r.Tags = &TagFilter{Type: q.Tags.Type, Tags: slices.Clone(q.Tags.Tags)}
	return nil
}

func (w *World) readRole(r *Rule, q RuleRequest) *Error {
	if q.SyncRole == nil || *q.SyncRole == "" {
		if w.opt.Lenient {
			return nil
		}
		return refuse(400, "MissingArgument", "The SyncRole is missing.").With("ArgumentName", "SyncRole")
	}
	r.SyncRole = *q.SyncRole
	if len(r.SyncRole) > 64 || strings.Trim(r.SyncRole, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != "" {
		return badElement("SyncRole", r.SyncRole, "The SyncRole contains illegal characters.")
	}
	return nil
}

func (w *World) readKMS(r *Rule, q RuleRequest) *Error {
	if q.KMS == nil && q.KMSKeyID == nil {
		return nil
	}
	if q.KMS == nil || *q.KMS == "Disabled" {
		if q.KMS != nil {
			r.KMS = *q.KMS
		}
		return nil // without KMS the key is not kept
	}
	if *q.KMS != "Enabled" {
		return badElement("SseKmsEncryptedObjects", *q.KMS, "The status must be Enabled or Disabled.")
	}
	if q.KMSKeyID == nil || *q.KMSKeyID == "" {
		return refuse(400, "MissingArgument", "The ReplicaKmsKeyID is missing.").With("ArgumentName", "ReplicaKmsKeyID")
	}
	if r.SyncRole == "" {
		return nil // a lenient world keeps no encryption of a rule without a role
	}
	r.KMS, r.KMSKeyID = *q.KMS, *q.KMSKeyID
	region, _, _, isARN := splitKeyARN(r.KMSKeyID)
	switch {
	case !isARN && strings.HasPrefix(r.KMSKeyID, "acs:"):
		return badElement("ReplicaKmsKeyID", r.KMSKeyID, "This is not the ARN of a key.")
	case isARN && region != regionOf(r.Location):
		return badElement("ReplicaKmsKeyID", r.KMSKeyID, "The key is not in the region of the destination bucket.")
	}
	return nil
}

// readRTC reads the status of replication time control, in any case.
func readRTC(status string) (on bool, _ *Error) {
	switch strings.ToLower(status) {
	case "enabled":
		return true, nil
	case "disabled":
		return false, nil
	}
	return false, badElement("RTC", status, "The status of RTC must be enabled or disabled.")
}
