package h2_test

import (
	"strings"
	"testing"

	"chatbell/pipeline/push/internal/h2"
)

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
