package libpod

import (
	"strconv"
	"strings"
	"time"

	"skiff/state"
)

// ParseMoment reads a point in time as --since, --until and the until filters
// give it: a duration before now (10m, 1h30m), seconds since 1970 with an
// optional fraction, or a date with or without time and zone (without zone: the
// machine's).
func ParseMoment(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	if sec, frac, ok := strings.Cut(s, "."); digits(sec) && (!ok || digits(frac)) {
		n, err := strconv.ParseInt(sec, 10, 64)
		nanos, ferr := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
		if err == nil && ferr == nil {
			return time.Unix(n, nanos), nil
		}
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15",
		"2006-01-02Z07:00", "2006-01-02", "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02 15:04:05",
	} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, state.Errorf(state.ErrInvalid, "cannot understand the time %q: want a duration such as 10m, a date such as 2006-01-02T15:04:05, or seconds since 1970", s)
}

func digits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}
