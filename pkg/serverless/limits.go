package serverless

import (
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
)

// limited is what has limits besides its kind. An error may be several, joined.
type limited interface{ limits() error }

func oneOf[T ~string](v T, allowed ...T) error {
	if slices.Contains(allowed, v) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return fmt.Errorf("%q is not %s", v, strings.Join(names, " or "))
}

func between[T ~int](v, low, high T, what string) error {
	if v < low || v > high {
		return fmt.Errorf("%d is not %d to %d %s", v, low, high, what)
	}
	return nil
}

func formed[T ~string](v T, form *regexp.Regexp, what string) error {
	if !form.MatchString(string(v)) {
		return fmt.Errorf("%q is not %s", v, what)
	}
	return nil
}

var (
	nameForm     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)
	roleForm     = regexp.MustCompile(`^acs:ram::[0-9]{5,20}:role/[a-z0-9.-]{1,64}$`)
	queueForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,119}$`)
	queueARNForm = regexp.MustCompile(`^acs:mns:[a-z0-9-]+:[0-9]{5,20}:/queues/[A-Za-z0-9][A-Za-z0-9-]{0,119}$`)
	envNameForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

// Text is any text but the empty one.
type Text string

func (t Text) limits() error {
	if strings.TrimSpace(string(t)) == "" {
		return errors.New("it is empty")
	}
	return nil
}

// Edition is the edition of the file's format. Without one the tool checks nothing
// and ends well.
type Edition string

func (e Edition) limits() error { return oneOf(e, "3.0.0") }

// Component is what deploys a resource.
type Component string

func (c Component) limits() error { return oneOf(c, "fc3") }

// regions are those that the component takes. [fact 55]
var regions = []Region{
	"cn-hangzhou", "cn-shanghai", "cn-qingdao", "cn-beijing", "cn-zhangjiakou", "cn-huhehaote", "cn-shenzhen", "cn-chengdu",
	"cn-hongkong", "cn-wulanchabu", "cn-heyuan-acdr-1", "cn-shanghai-finance-1", "cn-shanghai-cloudspe",
	"ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-5",
	"ap-southeast-7", "eu-central-1", "eu-west-1", "me-central-1", "us-east-1", "us-west-1",
}

// Region is a region that has Function Compute.
type Region string

func (r Region) limits() error {
	if !slices.Contains(regions, r) {
		return fmt.Errorf("%q is not a region that the component knows", r)
	}
	return nil
}

// FunctionName is the name of a function or of a trigger.
type FunctionName string

func (f FunctionName) limits() error {
	return formed(f, nameForm, "a name: a letter or _, then up to 127 letters, digits, _ and -")
}

// Runtime is what runs the code: the one that our binaries are built for.
type Runtime string

func (r Runtime) limits() error { return oneOf(r, "go1") }

// Handler is the path of the executable in the package.
type Handler string

func (h Handler) limits() error { return inside(string(h)) }

// Code is a directory beside s.yaml, written ./like/this.
type Code string

func (c Code) limits() error {
	dir, ok := strings.CutPrefix(string(c), "./")
	if !ok {
		return fmt.Errorf("%q is not a directory written as ./dir", c)
	}
	return inside(dir)
}

// inside says what is wrong with a path that has to stay where it begins.
func inside(p string) error {
	if p == "" || p == "." || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") {
		return fmt.Errorf("%q is not a plain relative path", p)
	}
	return nil
}

// Role is the ARN of a function's role. The component makes capitals small, and the
// role that it then names does not exist. [fact 54]
type Role string

func (r Role) limits() error {
	return formed(r, roleForm, "acs:ram::<account>:role/<name> with a name in small letters")
}

// Name returns the name of the role.
func (r Role) Name() string { return string(r)[strings.LastIndexByte(string(r), '/')+1:] }

// CPU is in vCPUs. [fact 55]
type CPU float64

func (c CPU) limits() error {
	if n := float64(c) * 20; n < 0.99 || n > 320 || math.Abs(n-math.Round(n)) > 1e-6 {
		return fmt.Errorf("%v is not a multiple of 0.05 from 0.05 to 16", float64(c))
	}
	return nil
}

// Memory is in MB. [fact 55]
type Memory int

func (m Memory) limits() error {
	if m < 128 || m > 32768 || m%64 != 0 {
		return fmt.Errorf("%d is not a multiple of 64 from 128 to 32768", m)
	}
	return nil
}

// Disk is in MB. [fact 55]
type Disk int

func (d Disk) limits() error {
	if d != 512 && d != 10240 {
		return fmt.Errorf("%d is not 512 or 10240", d)
	}
	return nil
}

// Timeout is of one invocation, in seconds. [fact 55]
type Timeout int

func (t Timeout) limits() error { return between(t, 1, 86400, "seconds") }

// maxEnvironment is how many bytes all names and values may have together. [fact 55]
const maxEnvironment = 4 << 10

// Environment is the environment of a function, as texts.
type Environment map[string]string

func (e Environment) limits() error {
	var bad []error
	size := 0
	for name, value := range e {
		size += len(name) + len(value)
		if err := formed(name, envNameForm, "a name: a letter, then letters, digits and _"); err != nil {
			bad = append(bad, err)
		}
		if strings.HasPrefix(name, "FC_") {
			bad = append(bad, fmt.Errorf("%s: names that begin with FC_ are the cloud's own", name))
		}
	}
	if size > maxEnvironment {
		bad = append(bad, fmt.Errorf("%d bytes are more than the %d that all names and values may have together", size, maxEnvironment))
	}
	return errors.Join(bad...)
}

// LogBeginRule says where one log entry ends and the next begins.
type LogBeginRule string

func (l LogBeginRule) limits() error { return oneOf(l, "DefaultRegex", "None") }

// Instances is how many instances may be at work at once. With none reserved the
// function would never run.
type Instances int

func (i Instances) limits() error { return between(i, 1, 1000, "instances") }

// Retries is how often an asynchronous call that failed is repeated. [fact 56]
type Retries int

func (r Retries) limits() error { return between(r, 0, 8, "retries") }

// EventAge is how old an asynchronous call may get, in seconds. [fact 56]
type EventAge int

func (e EventAge) limits() error { return between(e, 1, 2592000, "seconds") }

// QueueMessagesARN names a queue as a destination.
type QueueMessagesARN string

func (q QueueMessagesARN) limits() error {
	arn, ok := strings.CutSuffix(string(q), "/messages")
	if !ok || !queueARNForm.MatchString(arn) {
		return fmt.Errorf("%q is not acs:mns:<region>:<account>:/queues/<name>/messages", q)
	}
	return nil
}

// QueueARN names a queue for dead letters.
type QueueARN string

func (q QueueARN) limits() error {
	return formed(q, queueARNForm, "acs:mns:<region>:<account>:/queues/<name>")
}

// TriggerType is one of the types that this package knows.
type TriggerType string

func (t TriggerType) limits() error { return oneOf(t, typeTimer, typeEventBridge) }

const (
	typeTimer       TriggerType = "timer"
	typeEventBridge TriggerType = "eventbridge"
)

// Qualifier is the version of the function that is called.
type Qualifier string

func (q Qualifier) limits() error { return oneOf(q, "LATEST") }

// Filter picks events. All are wanted: one that is left out is lost.
type Filter string

func (f Filter) limits() error { return oneOf(f, "{}") }

// SourceType is the kind of source.
type SourceType string

func (s SourceType) limits() error { return oneOf(s, "MNS") }

// QueueName is the name of an MNS queue.
type QueueName string

func (q QueueName) limits() error { return formed(q, queueForm, "the name of a queue") }

// EventSchema is the form of what the function is given.
type EventSchema string

func (e EventSchema) limits() error { return oneOf(e, "CloudEvents", "RawData") }

// Mode is that of the run options. In event-driven, the other one, no run option
// acts: no dead letters, no batches. [fact 57]
type Mode string

func (m Mode) limits() error { return oneOf(m, "event-streaming") }

// Tolerance says what a message that fails for good does to the ones after it:
// with ALL they go on, with NONE the trigger stops until somebody starts it. [fact 57]
type Tolerance string

func (t Tolerance) limits() error { return oneOf(t, "ALL", "NONE") }

// RetryStrategy is 3 retries within a minute, or 176 within a day. [fact 57]
type RetryStrategy string

func (r RetryStrategy) limits() error { return oneOf(r, "BACKOFF_RETRY", "EXPONENTIAL_DECAY_RETRY") }

// BatchCount is how many messages fill a batch. [fact 57]
type BatchCount int

func (b BatchCount) limits() error { return between(b, 1, 10000, "messages") }

// BatchSeconds is how long a batch waits for more messages. [fact 57]
type BatchSeconds int

func (b BatchSeconds) limits() error { return between(b, 0, 15, "seconds") }
