package fcemu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A schedule says when a timer fires next.
type schedule interface {
	// next returns the first time after t; zero means never again.
	next(t time.Time) time.Time
}

// every fires at equal distances from the time it was switched on.
type every time.Duration

func (e every) next(t time.Time) time.Time { return t.Add(time.Duration(e)) }

// cron fires when all fields match. Bit n of a field stands for the value n.
type cron struct {
	second, minute, hour, day, month, weekday uint64
	anyDay, anyWeekday                        bool // the field was * or ?
	zone                                      *time.Location
}

// parseSchedule reads a cronExpression: "@every <duration>", or six fields
// (second, minute, hour, day of month, month, day of week) in UTC, or in the zone
// of a CRON_TZ=<zone> before them.
func parseSchedule(text string) (schedule, error) {
	if rest, ok := strings.CutPrefix(text, "@every "); ok {
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		if err != nil || d < time.Second || d%time.Second != 0 {
			return nil, fmt.Errorf("cron expression %q: not a whole number of seconds", text)
		}
		return every(d), nil
	}
	c := &cron{zone: time.UTC}
	fields := strings.Fields(text)
	if len(fields) > 0 && strings.HasPrefix(fields[0], "CRON_TZ=") {
		zone, err := time.LoadLocation(strings.TrimPrefix(fields[0], "CRON_TZ="))
		if err != nil {
			return nil, fmt.Errorf("cron expression %q: %w", text, err)
		}
		c.zone, fields = zone, fields[1:]
	}
	if len(fields) != 6 {
		return nil, fmt.Errorf("cron expression %q: %d fields instead of six", text, len(fields))
	}
	months := []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	days := []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
	for i, f := range []struct {
		bits       *uint64
		least, top int
		names      []string
		question   bool
	}{
		{&c.second, 0, 59, nil, false}, {&c.minute, 0, 59, nil, false}, {&c.hour, 0, 23, nil, false},
		{&c.day, 1, 31, nil, true}, {&c.month, 1, 12, months, false}, {&c.weekday, 0, 6, days, true},
	} {
		text := fields[i]
		if text == "?" && f.question {
			text = "*"
		}
		bits, err := parseField(text, f.least, f.top, f.names)
		if err != nil {
			return nil, fmt.Errorf("cron expression field %d: %w", i+1, err)
		}
		*f.bits = bits
	}
	c.anyDay = fields[3] == "*" || fields[3] == "?"
	c.anyWeekday = fields[5] == "*" || fields[5] == "?"
	return c, nil
}

// parseField reads a list of *, values and ranges, each with an optional /step.
func parseField(text string, least, top int, names []string) (uint64, error) {
	value := func(s string) (int, error) {
		if i := slices.Index(names, strings.ToUpper(s)); i >= 0 {
			return least + i, nil
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > top {
			return 0, fmt.Errorf("%q is not a value from %d to %d", s, least, top)
		}
		return n, nil
	}
	var bits uint64
	for _, part := range strings.Split(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		from, to, step := least, top, 1
		var err error
		if span != "*" {
			a, b, isRange := strings.Cut(span, "-")
			if from, err = value(a); err != nil {
				return 0, err
			}
			switch {
			case isRange:
				if to, err = value(b); err != nil {
					return 0, err
				}
			case !stepped: // "5/10" goes on to the top, "5" does not
				to = from
			}
		}
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return 0, fmt.Errorf("%q is not a step", stepText)
			}
		}
		if from > to {
			return 0, fmt.Errorf("%q runs backwards", span)
		}
		for v := from; v <= to; v += step {
			bits |= 1 << v
		}
	}
	return bits, nil
}

func (c *cron) next(t time.Time) time.Time {
	t = t.In(c.zone).Truncate(time.Second).Add(time.Second)
	end := t.AddDate(8, 0, 0) // 29 February comes back within eight years
	for t.Before(end) {
		y, m, d := t.Date()
		switch {
		case !has(c.month, int(m)):
			t = c.midnight(y, m+1, 1)
		case !c.onDay(t):
			t = c.midnight(y, m, d+1)
		case !has(c.hour, t.Hour()):
			t = t.Truncate(time.Minute).Add(time.Duration(60-t.Minute()) * time.Minute)
		case !has(c.minute, t.Minute()):
			t = t.Truncate(time.Minute).Add(time.Minute)
		case !has(c.second, t.Second()):
			t = t.Add(time.Second)
		default:
			return t.UTC()
		}
	}
	return time.Time{}
}

// midnight is the start of a day. Where clocks are put forward at midnight, it is
// the first time that exists; time.Date may then give one of the day before.
func (c *cron) midnight(y int, m time.Month, d int) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, c.zone)
	if t.Hour() > 12 {
		t = t.Add(time.Duration(24-t.Hour()) * time.Hour)
	}
	return t
}

// onDay follows the custom of cron: when both day fields are restricted, one of them is enough.
func (c *cron) onDay(t time.Time) bool {
	day, weekday := has(c.day, t.Day()), has(c.weekday, int(t.Weekday()))
	if c.anyDay || c.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

func has(bits uint64, v int) bool { return bits&(1<<v) != 0 }
