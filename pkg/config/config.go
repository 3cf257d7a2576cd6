// Package config reads the settings of a deployment from its environment, once,
// into a checked struct.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Config is what a deployment sets. Durations and deadlines of the product are
// not settings.
type Config struct {
	Account     string     // UID of the account that the functions work in
	Region      string     // of the functions, the queues and the state bucket
	StateBucket string     // keeps the journal: private, never versioned, without lifecycle rules
	QueuePrefix string     // begins the name of every queue
	MaxPrefixes int        // of a rule: 10, up to 100 after the account's limit was raised
	Shards      int        // of the watch: more sweep side by side
	Pace        float64    // divides the pauses between looks, for trials; 1 in production
	Internal    bool       // use the internal endpoints of OSS and MNS
	Endpoint    string     // address of a local cloud, such as http://127.0.0.1:8080; "" for the real one
	LogLevel    slog.Level // of the JSON log on standard output
	Desk        Desk       // what the desk file says; zero without one
	Instance    string     // names the instance in claims and logs
}

// A Setting is one environment variable.
type Setting struct {
	Name     string
	Default  string // "" means required, unless Optional
	Optional bool
	Meaning  string
	set      func(*Config, string) error
}

var (
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	regionForm = regexp.MustCompile(`^[a-z]{2}-[a-z0-9]+(-[a-z0-9]+)*$`)
	prefixForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)
	uidForm    = regexp.MustCompile(`^[0-9]{5,20}$`)
)

// Settings returns every variable that the functions read, in the order of the README.
func Settings() []Setting {
	text := func(form *regexp.Regexp, what string, to func(*Config) *string) func(*Config, string) error {
		return func(c *Config, v string) error {
			if !form.MatchString(v) {
				return fmt.Errorf("%q is not %s", v, what)
			}
			*to(c) = v
			return nil
		}
	}
	number := func(low, high int, to func(*Config) *int) func(*Config, string) error {
		return func(c *Config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < low || n > high {
				return fmt.Errorf("%q is not a number from %d to %d", v, low, high)
			}
			*to(c) = n
			return nil
		}
	}
	return []Setting{
		{Name: "REPLIDESK_ACCOUNT", Meaning: "UID of the account that the functions work in",
			set: text(uidForm, "the UID of an account", func(c *Config) *string { return &c.Account })},
		{Name: "REPLIDESK_REGION", Meaning: "region of the functions, the queues and the state bucket",
			set: text(regionForm, "a region such as cn-hangzhou", func(c *Config) *string { return &c.Region })},
		{Name: "REPLIDESK_STATE_BUCKET", Meaning: "bucket that keeps the journal: private, never versioned, no lifecycle rules",
			set: text(bucketForm, "a bucket name", func(c *Config) *string { return &c.StateBucket })},
		{Name: "REPLIDESK_QUEUE_PREFIX", Default: "replidesk", Meaning: "beginning of the name of every queue",
			set: text(prefixForm, "a queue name", func(c *Config) *string { return &c.QueuePrefix })},
		{Name: "REPLIDESK_MAX_PREFIXES", Default: "10", Meaning: "prefixes that a rule may have; up to 100 after the account's limit was raised",
			set: number(1, 100, func(c *Config) *int { return &c.MaxPrefixes })},
		{Name: "REPLIDESK_SHARDS", Default: "1", Meaning: "shards of the watch; must not change once there are tickets",
			set: number(1, 64, func(c *Config) *int { return &c.Shards })},
		{Name: "REPLIDESK_DESK", Optional: true, Meaning: "the desk file, absolute or beside the binary: other accounts, and what is allowed",
			set: func(c *Config, v string) (err error) {
				c.Desk, err = readDesk(v)
				return err
			}},
		{Name: "REPLIDESK_PACE", Default: "1", Meaning: "divides the pauses between looks, for trials on a local cloud",
			set: func(c *Config, v string) (err error) {
				c.Pace, err = strconv.ParseFloat(v, 64)
				if err != nil || !(c.Pace >= 1 && c.Pace <= 1000) {
					return fmt.Errorf("%q is not a number from 1 to 1000", v)
				}
				return nil
			}},
		{Name: "REPLIDESK_INTERNAL", Default: "false", Meaning: "true uses the internal endpoints of OSS and MNS within the region",
			set: func(c *Config, v string) (err error) {
				c.Internal, err = strconv.ParseBool(v)
				return err
			}},
		{Name: "REPLIDESK_LOG_LEVEL", Default: "info", Meaning: "debug, info, warn or error",
			set: func(c *Config, v string) error { return c.LogLevel.UnmarshalText([]byte(v)) }},
		{Name: "REPLIDESK_ENDPOINT", Optional: true, Meaning: "address of a local cloud; empty for the real one",
			set: func(c *Config, v string) error {
				u, err := url.Parse(v)
				if err != nil || u.Scheme != "http" || u.Host == "" || u.Path != "" {
					return fmt.Errorf("%q is not an address such as http://127.0.0.1:8080", v)
				}
				c.Endpoint = v
				return nil
			}},
	}
}

// Read builds the configuration from getenv and reports everything that is
// missing or wrong in one error.
func Read(getenv func(string) string) (Config, error) {
	var c Config
	var errs []error
	for _, s := range Settings() {
		v := strings.TrimSpace(getenv(s.Name))
		if v == "" {
			v = s.Default
		}
		if v == "" {
			if !s.Optional {
				errs = append(errs, fmt.Errorf("%s is not set: %s", s.Name, s.Meaning))
			}
			continue
		}
		if err := s.set(&c, v); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
		}
	}
	if err := c.Desk.own(c.Account); err != nil {
		errs = append(errs, fmt.Errorf("REPLIDESK_DESK: %w", err))
	}
	if c.Instance = getenv("FC_INSTANCE_ID"); c.Instance == "" {
		c.Instance = "local"
	}
	return c, errors.Join(errs...)
}

// A Queue is one of the queues of a deployment.
type Queue string

// The queues, without the prefix of the deployment.
const (
	QueueRequests      Queue = "requests"       // tickets, from the ticket system
	QueueWakeProvision Queue = "wake-provision" // hints to provision
	QueueWakeVerify    Queue = "wake-verify"    // hints to verify
	QueueResults       Queue = "results"        // results, to the ticket system
	QueueDead          Queue = "dead"           // bad tickets with their reason, for people
	QueueUndelivered   Queue = "undelivered"    // what a trigger gave up on; the sweep brings it back
	QueueFailed        Queue = "failed"         // calls of the timer that failed or never ran, for people [fact 56]
)

// Queues returns all queues of a deployment.
func Queues() []Queue {
	return slices.Clone([]Queue{QueueRequests, QueueWakeProvision, QueueWakeVerify, QueueResults, QueueDead, QueueUndelivered, QueueFailed})
}

// QueueName returns the full name of a queue.
func (c Config) QueueName(q Queue) string { return c.QueuePrefix + "-" + string(q) }
