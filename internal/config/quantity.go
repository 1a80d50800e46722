package config

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written with its unit.
type Size int64

// Number is a whole number, written without a unit.
type Number int64

func parseNumber(text string) (Number, error) {
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	if err != nil {
		return 0, &errForm{"must be a whole number", "write one like 1000, without a unit"}
	}
	return Number(n), nil
}

var units = []struct {
	name  string
	bytes Size
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// String is the size in the largest unit that needs no fraction.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return "0B"
}

// MarshalText writes the size so that it can be read again.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// errForm is a value that cannot be read: what is wrong and what would be right.
type errForm struct{ detail, mend string }

func (e *errForm) Error() string { return e.detail }

var bareNumber = regexp.MustCompile(`^[+-]?[0-9][0-9_]*(\.[0-9]*)?$`)

func parseSize(text string) (Size, error) {
	if bareNumber.MatchString(text) {
		return 0, &errForm{"must be a size with a unit", "write " + text + "MiB, or with GiB, KiB, B"}
	}
	for _, size := range units {
		number, ok := strings.CutSuffix(text, size.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || n*float64(size.bytes) >= math.MaxInt64 {
			break
		}
		return Size(n * float64(size.bytes)), nil
	}
	return 0, &errForm{"must be a size", "write one like 512MiB, 25GiB or 1TiB"}
}

var wholeDays = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)

// parseDuration takes what Go's durations take, and whole days in front (7d, 1d12h).
func parseDuration(text string) (time.Duration, error) {
	notDuration := &errForm{"must be a duration", "write one like 500ms, 30s, 5m, 24h or 7d"}
	if bareNumber.MatchString(text) && text != "0" {
		return 0, &errForm{"must be a duration with a unit", "write " + text + "s for seconds, or with ms, m, h, d"}
	}
	var days time.Duration
	if match := wholeDays.FindStringSubmatch(text); match != nil {
		n, err := strconv.Atoi(match[1])
		if err != nil {
			return 0, notDuration
		}
		days = time.Duration(n) * 24 * time.Hour
		text = match[2]
		if text == "" {
			return days, nil
		}
	}
	length, err := time.ParseDuration(text)
	if err != nil || days > 0 && (length < 0 || days+length < 0) {
		return 0, notDuration
	}
	return days + length, nil
}

// formatDuration is a duration as people write it: 10m, not 10m0s; 7d, not 168h0m0s.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// mendOf is what to do about a value that cannot be read.
func mendOf(err error) string {
	var form *errForm
	if errors.As(err, &form) {
		return form.mend
	}
	return ""
}
