package replication

// A PolicyType says whose a RAM policy is.
type PolicyType string

// The types, as RAM has them.
const (
	PolicyCustom PolicyType = "Custom" // of the account
	PolicySystem PolicyType = "System" // of the cloud; its document is not ours to know
)
