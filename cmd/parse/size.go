package parse

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size reads a number of bytes with an optional binary suffix: b, k, m, g, t or
// p, each optionally followed by b or ib, in any case. Docker: --memory and
// every other size.
func Size(s string) (int64, error) {
	num, unit := strings.TrimSpace(s), ""
	if i := strings.IndexFunc(num, func(r rune) bool { return (r < '0' || r > '9') && r != '.' }); i >= 0 {
		num, unit = num[:i], strings.ToLower(strings.TrimSpace(num[i:]))
	}
	shift, ok := unitShift(unit)
	if num == "" || !ok {
		return 0, fmt.Errorf("invalid size %q: want a number with an optional suffix b, k, m, g, t or p", s)
	}
	if n, err := strconv.ParseInt(num, 10, 64); err == nil {
		if n > math.MaxInt64>>shift {
			return 0, fmt.Errorf("invalid size %q: too large", s)
		}
		return n << shift, nil
	}
	f, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return 0, fmt.Errorf("invalid size %q: want a number with an optional suffix b, k, m, g, t or p", s)
	}
	if f *= float64(int64(1) << shift); f >= math.MaxInt64 {
		return 0, fmt.Errorf("invalid size %q: too large", s)
	}
	return int64(f), nil
}

// decimalSize is Size with powers of 1000, as Docker and Podman read the size of
// a log, and only that. Docker: --log-opt max-size.
func decimalSize(s string) (int64, error) {
	num, unit := strings.TrimSpace(s), ""
	if i := strings.IndexFunc(num, func(r rune) bool { return (r < '0' || r > '9') && r != '.' }); i >= 0 {
		num, unit = num[:i], strings.ToLower(strings.TrimSpace(num[i:]))
	}
	shift, ok := unitShift(unit)
	f, err := strconv.ParseFloat(num, 64)
	if err != nil || !ok {
		return 0, fmt.Errorf("invalid size %q: want a number with an optional suffix b, k, m, g, t or p", s)
	}
	if f *= math.Pow(1000, float64(shift/10)); f >= math.MaxInt64 {
		return 0, fmt.Errorf("invalid size %q: too large", s)
	}
	return int64(math.Round(f)), nil
}

func unitShift(unit string) (uint, bool) {
	if unit == "" || unit == "b" {
		return 0, true
	}
	i := strings.IndexByte("kmgtp", unit[0])
	if rest := unit[1:]; i < 0 || (rest != "" && rest != "b" && rest != "ib") {
		return 0, false
	}
	return uint(i+1) * 10, true
}

// CPUs reads a number of CPUs such as 1.5 into units of 1e-9. Docker: --cpus.
func CPUs(s string) (int64, error) {
	whole, frac, _ := strings.Cut(s, ".")
	bad := fmt.Errorf("invalid number of CPUs %q: want a number such as 1.5", s)
	if whole == "" && frac == "" || len(frac) > 9 {
		return 0, bad
	}
	for len(frac) < 9 {
		frac += "0"
	}
	n, err := strconv.ParseUint("0"+whole+frac, 10, 63)
	if err != nil {
		return 0, bad
	}
	return int64(n), nil
}

// Duration reads a length of time as Go writes it (1m30s); a bare number is
// seconds. what names the option for the error.
func Duration(what, s string) (time.Duration, error) {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("invalid duration %q for %s: want a number with a unit such as 30s or 1m30s", s, what)
	}
	if d < 0 {
		return 0, fmt.Errorf("invalid duration %q for %s: it must not be negative", s, what)
	}
	return d, nil
}

// Time reads a point in time: RFC 3339 (parts may be left out from the end),
// seconds since 1970 with an optional fraction, or a duration before now.
// Docker: logs --since, --until.
func Time(what, s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	sec, frac, _ := strings.Cut(s, ".")
	if len(frac) <= 9 {
		for len(frac) < 9 {
			frac += "0"
		}
		a, err1 := strconv.ParseInt(sec, 10, 64)
		b, err2 := strconv.ParseUint(frac, 10, 63)
		if err1 == nil && err2 == nil {
			return time.Unix(a, int64(b)), nil
		}
	}
	return time.Time{}, fmt.Errorf("invalid time %q for %s: want a date such as 2026-01-31T12:00:00, seconds since 1970, or a duration such as 10m", s, what)
}
