package fault

import "fmt"

// Kind says what a failed call means for whoever made it. The set is closed: an
// adapter's classify.go maps every code of its service to one of these, and what
// it does not know to [Retryable].
//
// A Kind is itself an error, so that errors.Is(err, fault.Conflict) works.
type Kind uint8

// The kinds. None is the zero value and means that there was no failure.
const (
	None Kind = iota

	// Retryable: the service failed, or said something that nobody has classified.
	// Trying again may help, within the budget of attempts.
	Retryable

	// Throttled: the service asks for patience and has done nothing. It is a wait,
	// never a used-up attempt; [After] tells how long, when the service said so.
	Throttled

	// Unknown: the answer was lost or did not come in time, so the effect may have
	// taken place. Look before acting again. The end of a context is of this kind.
	Unknown

	// Conflict: somebody else changed the thing first. Load it again and decide anew.
	Conflict

	// NotFound: the thing that the call named does not exist.
	NotFound

	// Exists: the thing that the call would have made exists already. It may be our
	// own, made by an attempt whose answer was lost: read it and compare.
	Exists

	// Denied: a permission is missing, the account is disabled or in debt. A person
	// has to act, after which the same call succeeds.
	Denied

	// Quota: a quota is used up. A person has to make room or raise it.
	Quota

	// Terminal: the same call will never succeed.
	Terminal

	kindEnd // one past the last kind
)

var kindNames = [kindEnd]string{
	None: "none", Retryable: "retryable", Throttled: "throttled", Unknown: "unknown-outcome",
	Conflict: "conflict", NotFound: "not-found", Exists: "exists", Denied: "denied",
	Quota: "quota", Terminal: "terminal",
}

// Kinds returns all kinds of failure, that is without [None].
func Kinds() []Kind {
	ks := make([]Kind, 0, kindEnd-1)
	for k := None + 1; k < kindEnd; k++ {
		ks = append(ks, k)
	}
	return ks
}

// String returns the kind's name as it is stored and logged.
func (k Kind) String() string {
	if k >= kindEnd {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Error makes a Kind usable as a target of errors.Is, and as a plain cause.
func (k Kind) Error() string { return k.String() }

// MayHaveHappened reports whether a call that failed with this kind may still have
// had its effect. It is a statement about one attempt: when a client behind the
// call tries again by itself, an earlier attempt may have had the effect whatever
// the kind.
func (k Kind) MayHaveHappened() bool { return k == Unknown || k == Retryable }

// MarshalText returns the kind's name.
func (k Kind) MarshalText() ([]byte, error) {
	if k >= kindEnd {
		return nil, fmt.Errorf("fault: no kind %d", uint8(k))
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText accepts a kind's name and nothing else.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("fault: no kind is called %q", text)
}
