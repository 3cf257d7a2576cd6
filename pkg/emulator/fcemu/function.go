package fcemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Limits of Function Compute (CPU instances).
const (
	DefaultMemory       = 512             // MB
	DefaultTimeout      = 3 * time.Second // of one invocation
	DefaultMaxInstances = 100             // per account and region; here per function
	maxTimeout          = 86400 * time.Second
	maxEnvironment      = 4 << 10  // bytes, all names and values together
	maxSyncBody         = 32 << 20 // bytes of an event or an answer
	maxAsyncBody        = 128 << 10
)

// A Function is one deployed function. Exactly one of Binary and Invoke is set.
type Function struct {
	Name            string // unique on its platform
	Region, Account string // Account is the UID
	// Role is the name of the RAM role in Account that the function runs as; its
	// trust policy must admit fc.aliyuncs.com. "" means no role and empty credentials.
	Role string

	// Binary is the path of an executable built with fc-runtime-go-sdk.
	Binary string
	// Invoke is a function inside this process. Its context ends at the deadline,
	// and when the instance is killed; it must then return. An error that it returns, or a
	// panic, is the invocation's error; runtime.Goexit is the end of the process.
	Invoke func(ctx context.Context, in Invocation) ([]byte, error)

	Env          map[string]string // the process gets these, the platform's own variables, PATH, HOME and TMPDIR
	Memory       int               // MB, a multiple of 64; 0 means DefaultMemory. Told to the function, not enforced
	Timeout      time.Duration     // whole seconds; 0 means DefaultTimeout
	MaxInstances int               // reservedConcurrency; 0 means DefaultMaxInstances

	Async *AsyncConfig // nil means 3 retries within 24 hours and no destination
}

// An AsyncConfig says what happens to asynchronous invocations that fail.
type AsyncConfig struct {
	MaxRetries int           // of an invocation that ended in a function error: 0 to 8
	MaxAge     time.Duration // an older event is given up: 1 s to 720 h; 0 means 24 h
	// OnFailure is the ARN of the queue that is told of an event that was given up,
	// acs:mns:<region>:<account>:/queues/<queue>/messages; "" means nobody is told.
	OnFailure string
}

// An Invocation is what an instance is given for one event.
type Invocation struct {
	RequestID  string
	Payload    []byte
	Deadline   time.Time
	Timeout    time.Duration
	RetryCount int // asynchronous invocation: how many tries came before this one

	Credentials                 Credentials // fresh for every invocation; empty without a role
	Function, Region, AccountID string
	InstanceID                  string
	MemoryMB                    int
}

// Credentials are STS keys of the function's role.
type Credentials struct {
	AccessKeyID, AccessKeySecret, SecurityToken string
}

// String hides the keys.
func (c Credentials) String() string { return "[redacted]" }

// GoString hides the keys.
func (c Credentials) GoString() string { return "[redacted]" }

var (
	functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)
	envName      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

// checked returns f with its defaults, or all that is wrong with it.
func (f Function) checked() (Function, error) {
	var bad []error
	fault := func(format string, args ...any) { bad = append(bad, fmt.Errorf(format, args...)) }
	if !functionName.MatchString(f.Name) {
		fault("name %q is not a function name", f.Name)
	}
	if f.Region == "" || f.Account == "" {
		fault("region and account are required")
	}
	if (f.Binary == "") == (f.Invoke == nil) {
		fault("exactly one of Binary and Invoke is required")
	}
	if f.Binary != "" {
		path, err := executable(f.Binary)
		if err != nil {
			fault("%w", err)
		}
		f.Binary = path
	}
	if f.Memory == 0 {
		f.Memory = DefaultMemory
	}
	if f.Memory < 128 || f.Memory > 32768 || f.Memory%64 != 0 {
		fault("memory %d MB is not a multiple of 64 from 128 to 32768", f.Memory)
	}
	if f.Timeout == 0 {
		f.Timeout = DefaultTimeout
	}
	if f.Timeout < time.Second || f.Timeout > maxTimeout || f.Timeout%time.Second != 0 {
		fault("timeout %s is not a whole number of seconds from 1 to 86400", f.Timeout)
	}
	if f.MaxInstances == 0 {
		f.MaxInstances = DefaultMaxInstances
	}
	if f.MaxInstances < 0 {
		fault("max instances %d is negative", f.MaxInstances)
	}
	if err := checkEnv(f.Env); err != nil {
		fault("%w", err)
	}
	async, err := f.Async.checked()
	if err != nil {
		fault("%w", err)
	}
	f.Async = &async
	if err := errors.Join(bad...); err != nil {
		return Function{}, fmt.Errorf("function %s: %s", f.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return f, nil
}

// executable returns the absolute path of a file that can be started.
func executable(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", fmt.Errorf("%s is not an executable file", path)
	}
	return path, nil
}

func (a *AsyncConfig) checked() (AsyncConfig, error) {
	c := AsyncConfig{MaxRetries: 3}
	if a != nil {
		c = *a
	}
	if c.MaxAge == 0 {
		c.MaxAge = 24 * time.Hour
	}
	if c.MaxRetries < 0 || c.MaxRetries > 8 {
		return c, fmt.Errorf("%d async retries are not 0 to 8", c.MaxRetries)
	}
	if c.MaxAge < time.Second || c.MaxAge > 2592000*time.Second {
		return c, fmt.Errorf("async event age %s is not 1 s to 720 h", c.MaxAge)
	}
	if c.OnFailure != "" {
		if _, err := parseQueueARN(c.OnFailure, "/messages"); err != nil {
			return c, err
		}
	}
	return c, nil
}

func checkEnv(env map[string]string) error {
	size := 0
	for k, v := range env {
		size += len(k) + len(v)
		if !envName.MatchString(k) {
			return fmt.Errorf("%q is not a name of an environment variable", k)
		}
		if strings.HasPrefix(k, "FC_") {
			return fmt.Errorf("environment variable %s: FC_ is reserved", k)
		}
	}
	if size > maxEnvironment {
		return fmt.Errorf("environment of %d bytes exceeds %d", size, maxEnvironment)
	}
	return nil
}

// ARN returns the function's name as the cloud gives it.
func (f Function) ARN() string {
	return "acs:fc:" + f.Region + ":" + f.Account + ":functions/" + f.Name
}

// A queueRef names one queue.
type queueRef struct{ region, account, name string }

// parseQueueARN reads acs:mns:<region>:<account>:/queues/<name> followed by suffix.
func parseQueueARN(arn, suffix string) (queueRef, error) {
	parts := strings.SplitN(arn, ":", 5)
	if len(parts) == 5 && parts[0] == "acs" && parts[1] == "mns" && parts[2] != "" && parts[3] != "" {
		name, ok := strings.CutPrefix(parts[4], "/queues/")
		rest, ok2 := strings.CutSuffix(name, suffix)
		if ok && ok2 && rest != "" && !strings.Contains(rest, "/") {
			return queueRef{region: parts[2], account: parts[3], name: rest}, nil
		}
	}
	return queueRef{}, fmt.Errorf("%q is not acs:mns:<region>:<account>:/queues/<name>%s", arn, suffix)
}
