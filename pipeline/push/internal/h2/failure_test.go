package h2_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbell/pipeline/push/internal/h2"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "99999999999999999": 24 * time.Hour, "999999999999999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := h2.RetryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("Retry-After %q = %v, want %v", v, got, want)
		}
	}
}

func TestWord(t *testing.T) {
	for _, c := range []struct{ word, token, want string }{
		{"", "t", ""},
		{"BadDeviceToken", "abc", "BadDeviceToken"},
		{"SENDER_ID_MISMATCH", "", "SENDER_ID_MISMATCH"},
		{"has space", "", "unrecognised"},
		{"abc123", "", "unrecognised"},
		{"prefixabcdef", "abcdef", "unrecognised"},
		{strings.Repeat("a", 65), "", "unrecognised"},
	} {
		if got := h2.Word(c.word, c.token); got != c.want {
			t.Errorf("Word(%q, %q) = %q, want %q", c.word, c.token, got, c.want)
		}
	}
}
