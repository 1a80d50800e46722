package backoff_test

import (
	"testing"
	"time"

	"chatbell/internal/backoff"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		" 30 ":                           30 * time.Second,
		"86400":                          24 * time.Hour,
		"86401":                          backoff.MaxRetryAfter,
		"99999999999999999999999":        backoff.MaxRetryAfter,
		"-1":                             0,
		"1.5":                            0,
		"1e3":                            0,
		"soon":                           0,
		"Fri, 20 Nov 2026 10:00:10 GMT":  10 * time.Second,
		"Friday, 20-Nov-26 10:01:00 GMT": time.Minute,
		"Fri Nov 20 10:00:30 2026":       30 * time.Second,
		"Fri, 20 Nov 2026 09:00:00 GMT":  0,
		"Fri, 20 Nov 2099 09:00:00 GMT":  backoff.MaxRetryAfter,
	} {
		if got := backoff.RetryAfter(in, now); got != want {
			t.Errorf("RetryAfter(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "999999999999999999999", "-5", "Fri, 20 Nov 2026 10:00:10 GMT", "٣"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := backoff.RetryAfter(s, now); d < 0 || d > backoff.MaxRetryAfter {
			t.Errorf("RetryAfter(%q) = %s, outside 0 to %s", s, d, backoff.MaxRetryAfter)
		}
	})
}
