package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is what is known of a key besides its Go type: what it means, what it may be
// and why. Checks, the example and the reference are made from it.
type setting struct {
	// doc says what the key means, in whole sentences of Markdown.
	doc string
	// kind is the value's form in words, where the Go type does not tell.
	kind string
	// def is the default in YAML, of keys below a list; the others have it in defaults.
	def string
	// sample is a value for the example, in YAML.
	sample string
	// oneOf are the only values; elements of lists share their list's.
	oneOf []string
	// choiceMend tells what to do about a value that is none of them.
	choiceMend string
	// bounds of the value, or of each element; for secrets of their length.
	bounds bounds
	// count bounds the elements of a list.
	count    bounds
	required bool
}

// unit is what bounds count.
type unit int

const (
	ofCount unit = iota
	ofDuration
	ofSize
	ofLength
)

// bounds are the least and the greatest value, with the reason for both. The zero value
// allows everything.
type bounds struct {
	unit     unit
	min, max int64
	why      string
}

func durations(shortest, longest time.Duration, why string) bounds {
	return bounds{ofDuration, int64(shortest), int64(longest), why}
}

func sizes(least, most Size, why string) bounds {
	return bounds{ofSize, int64(least), int64(most), why}
}

func lengths(least, most int64, why string) bounds { return bounds{ofLength, least, most, why} }

func counts(most int64, why string) bounds { return bounds{ofCount, 0, most, why} }

func (b bounds) allows(n int64) bool {
	return b == bounds{} || n >= b.min && n <= b.max
}

// String is the bounds in words: 1s to 1h.
func (b bounds) String() string {
	switch b.unit {
	case ofDuration:
		return formatDuration(time.Duration(b.min)) + " to " + formatDuration(time.Duration(b.max))
	case ofSize:
		return Size(b.min).String() + " to " + Size(b.max).String()
	case ofLength:
		return fmt.Sprintf("%d to %d characters", b.min, b.max)
	case ofCount:
		if b.min == 0 {
			return "at most " + strconv.FormatInt(b.max, 10)
		}
		return fmt.Sprintf("%d to %d", b.min, b.max)
	}
	return ""
}

// because is the reason in parentheses.
func (b bounds) because() string {
	if b.why == "" {
		return ""
	}
	return " (" + b.why + ")"
}

// none is what is known of a key that the table lacks: nothing. A test looks for such.
var none = &setting{}

func settingOf(generic string) *setting {
	if set, ok := settings[generic]; ok {
		return set
	}
	if one, ok := pushSettings()[generic]; ok {
		return one
	}
	return none
}

func (s *setting) takes(value string) bool {
	return len(s.oneOf) == 0 || value == "" || slices.Contains(s.oneOf, value)
}

// choice lists the values: a, b or c.
func (s *setting) choice() string {
	last := len(s.oneOf) - 1
	if last == 0 {
		return s.oneOf[0]
	}
	return strings.Join(s.oneOf[:last], ", ") + " or " + s.oneOf[last]
}

func (s *setting) sampleMend() string {
	if s.sample == "" {
		return ""
	}
	return "write it like " + strings.Trim(s.sample, "[]")
}

func (s *setting) requiredMend() string {
	first, _, _ := strings.Cut(s.doc, ". ")
	if s.sample == "" {
		return "it is needed: " + strings.TrimSuffix(first, ".")
	}
	return "write it like " + s.sample
}
