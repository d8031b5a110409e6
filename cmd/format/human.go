package format

import (
	"math"
	"strconv"
	"time"
)

// Size is a number of bytes with three digits and a decimal unit: 1.23MB.
func Size(n int64) string {
	num, unit := scale(n, 3)
	return num + unit
}

// FineSize is Size with four digits, as podman's stats has it.
func FineSize(n int64) string {
	num, unit := scale(n, 4)
	return num + unit
}

// SpacedSize is Size with a space before the unit, as podman's images has it.
func SpacedSize(n int64) string {
	num, unit := scale(n, 3)
	return num + " " + unit
}

func scale(n int64, digits int) (num, unit string) {
	units := [...]string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	v, i := float64(n), 0
	// What would be shown as 1000 of a unit is 1 of the next.
	most := 1000 - 0.5*math.Pow10(3-digits)
	for math.Abs(v) >= most && i < len(units)-1 {
		v /= 1000
		i++
	}
	return strconv.FormatFloat(v, 'g', digits, 64), units[i]
}

// Duration says roughly how long d is, in docker's words.
func Duration(d time.Duration) string {
	seconds, minutes, hours := int(d.Seconds()), int(d.Minutes()), int(d.Hours()+0.5)
	switch {
	case seconds < 1:
		return "Less than a second"
	case seconds == 1:
		return "1 second"
	case seconds < 60:
		return strconv.Itoa(seconds) + " seconds"
	case minutes == 1:
		return "About a minute"
	case minutes < 60:
		return strconv.Itoa(minutes) + " minutes"
	case hours == 1:
		return "About an hour"
	case hours < 48:
		return strconv.Itoa(hours) + " hours"
	case hours < 24*7*2:
		return strconv.Itoa(hours/24) + " days"
	case hours < 24*30*2:
		return strconv.Itoa(hours/24/7) + " weeks"
	case hours < 24*365*2:
		return strconv.Itoa(hours/24/30) + " months"
	}
	return strconv.Itoa(int(d.Hours())/24/365) + " years"
}

// Ago is the age of t at now: "2 hours ago"; empty for the zero time.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Duration(now.Sub(t)) + " ago"
}

// ShortID is the first 12 digits of an id.
func ShortID(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// Ellipsis shortens s to at most n characters, the mark at its end included.
func Ellipsis(s string, n int, mark string) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	keep := max(n-len([]rune(mark)), 0)
	return string(r[:keep]) + mark
}
