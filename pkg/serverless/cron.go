package serverless

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Cron is a schedule: "@every <duration>" of whole seconds, or six fields with
// seconds first, in UTC. A zone before them, CRON_TZ=..., is in no document that we
// have read, and names of months and days neither: they are not taken.
type Cron string

func (c Cron) limits() error {
	if text, ok := strings.CutPrefix(string(c), "@every "); ok {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second || d%time.Second != 0 {
			return fmt.Errorf("%q is not @every with a duration of whole seconds", c)
		}
		return nil
	}
	fields := strings.Fields(string(c))
	ranges := [][2]int{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}
	if len(fields) != len(ranges) {
		return fmt.Errorf("%q is neither @every <duration> nor six fields: second, minute, hour, day, month, weekday", c)
	}
	for i, f := range fields {
		day := i == 3 || i == 5
		if day && f == "?" {
			continue
		}
		for part := range strings.SplitSeq(f, ",") {
			if !cronPart(part, ranges[i][0], ranges[i][1]) {
				return fmt.Errorf("%q: field %d has %q, which is not *, a value or a range from %d to %d, perhaps with a /step", c, i+1, part, ranges[i][0], ranges[i][1])
			}
		}
	}
	return nil
}

// cronPart reports whether s is *, n or n-m, perhaps with /step.
func cronPart(s string, low, high int) bool {
	span, step, stepped := strings.Cut(s, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1) {
		return false
	}
	if span == "*" {
		return true
	}
	from, to, isRange := strings.Cut(span, "-")
	if !isRange {
		to = from
	}
	a, err1 := strconv.Atoi(from)
	b, err2 := strconv.Atoi(to)
	return err1 == nil && err2 == nil && low <= a && a <= b && b <= high
}
