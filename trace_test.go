package chatbell_test

import (
	"strings"
	"testing"

	"chatbell"
)

func TestIsTraceParent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for s, want := range map[string]bool{
		good: true, "cc" + good[2:]: true, "": false, good + "0": false, strings.ToUpper(good): false, "ff" + good[2:]: false,
		strings.Replace(good, "-", "_", 1): false, good[:54] + "\n": false, strings.Repeat("-", 55): false,
	} {
		if got := chatbell.IsTraceParent(s); got != want {
			t.Errorf("%q: %t", s, got)
		}
	}
}
