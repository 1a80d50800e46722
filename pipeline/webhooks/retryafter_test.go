package webhooks

import (
	"testing"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		" 30 ":                           30 * time.Second,
		"86400":                          24 * time.Hour,
		"86401":                          MaxRetryAfter,
		"99999999999999999999999":        MaxRetryAfter,
		"-1":                             0,
		"1.5":                            0,
		"1e3":                            0,
		"soon":                           0,
		"Fri, 20 Nov 2026 10:00:10 GMT":  10 * time.Second,
		"Friday, 20-Nov-26 10:01:00 GMT": time.Minute,
		"Fri Nov 20 10:00:30 2026":       30 * time.Second,
		"Fri, 20 Nov 2026 09:00:00 GMT":  0,
		"Fri, 20 Nov 2099 09:00:00 GMT":  MaxRetryAfter,
	} {
		if got := parseRetryAfter(in, now); got != want {
			t.Errorf("parseRetryAfter(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "999999999999999999999", "-5", "Fri, 20 Nov 2026 10:00:10 GMT", "٣"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := parseRetryAfter(s, now); d < 0 || d > MaxRetryAfter {
			t.Errorf("parseRetryAfter(%q) = %s, outside 0 to %s", s, d, MaxRetryAfter)
		}
	})
}
