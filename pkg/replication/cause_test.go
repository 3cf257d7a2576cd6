package replication_test

import (
	"github.com/replidesk/replidesk/pkg/replication"
)

// A causeCase is one thing that keeps a rule from copying.
type causeCase struct {
	reason replication.Reason
	says   string
	breaks func(*job, *world)
}

// personal are the causes that a person has to mend, in the order in which they are
// looked for.
func personal() []causeCase {
	return []causeCase{
		{replication.ReasonDestinationMissing, "there is no bucket dest-bucket", func(_ *job, w *world) { w.Destination.Is = replication.Missing }},
		{replication.ReasonSourceNotOurs, "src-bucket does not belong", func(_ *job, w *world) { w.Source.Owner = "2000000000000002" }},
		{replication.ReasonVersioningSuspended, "versioning of dest-bucket is suspended", func(_ *job, w *world) { w.Destination.Versioning = "Suspended" }},
		{replication.ReasonVersioningDiffers, "src-bucket keeps versions, dest-bucket does not", func(_ *job, w *world) { w.Source.Versioning = "Enabled" }},
		{replication.ReasonRoleMissing, "role " + replication.RoleName("CHG-2041") + " does not exist any more", func(_ *job, w *world) { w.Role.Is = replication.Missing }},
		{replication.ReasonTrustBroken, "the trust policy of role", func(_ *job, w *world) { w.Role.Trust = `{"Version":"1","Statement":[]}` }},
		{replication.ReasonPolicyMissing, "is not attached", func(_ *job, w *world) { w.Attachment.Attached = false }},
		{replication.ReasonPolicyMissing, "is not attached", func(_ *job, w *world) { w.Policy.Is = replication.Missing }},
		{replication.ReasonPolicyDiffers, "policy " + replication.PolicyName("CHG-2041") + " was changed", func(_ *job, w *world) { w.Policy.Document = `{"Version":"1","Statement":[]}` }},
	}
}

const causeLooks = replication.LookProgress | replication.LookSource | replication.LookDestination | replication.LookRole | replication.LookAttachment | replication.LookPolicy
