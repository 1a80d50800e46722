package listen

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Ten wrong keys are answered at once, then four a second, and none waits longer than
// two seconds; another address is not slowed by that.
func TestThrottleSlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(ThrottleConfig{})
		greedy, modest := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		start := time.Now()
		for range burst {
			th.Wrong(t.Context(), greedy)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the first %d took %s", burst, took)
		}
		for range 20 {
			th.Wrong(t.Context(), greedy)
		}
		if took := time.Since(start); took != 20*turn {
			t.Errorf("20 more took %s, want %s", took, 20*turn)
		}
		done := make(chan time.Duration)
		start = time.Now()
		for range 100 { // side by side
			go func() { th.Wrong(t.Context(), greedy); done <- time.Since(start) }()
		}
		for range 100 {
			if took := <-done; took <= 0 || took > longestWait {
				t.Errorf("an answer took %s", took)
			}
		}
		start = time.Now()
		th.Wrong(t.Context(), modest)
		if took := time.Since(start); took != 0 {
			t.Errorf("another address waits %s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		th.Wrong(ctx, greedy)
		if took := time.Since(start); took != 0 {
			t.Errorf("who has left waits %s", took)
		}
	})
}

// The log knows an address once in ten minutes, with the number of tries, and not more
// of many addresses than it has room for.
func TestThrottleLogs(t *testing.T) {
	var log bytes.Buffer
	th := NewThrottle(ThrottleConfig{What: "API key", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	now := time.Unix(1_000_000, 0)
	addr := netip.MustParseAddr("192.0.2.1")
	for range 100 {
		th.note(addr, now)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "wrong API key") || !strings.Contains(got, "address=192.0.2.1 tries=1 ") {
		t.Errorf("the log says %s", got)
	}
	log.Reset()
	th.note(addr, now.Add(logSpan))
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "tries=100 ") {
		t.Errorf("ten minutes later the log says %s", got)
	}
	log.Reset()
	now = now.Add(time.Hour)
	many := netip.MustParseAddr("10.0.0.0")
	for range 2 * maxAddresses {
		many = many.Next()
		th.note(many, now)
	}
	if got := strings.Count(log.String(), "\n"); got != logBurst {
		t.Errorf("%d lines of %d addresses", got, 2*maxAddresses)
	}
	if len(th.addresses) != maxAddresses || th.recent.Len() != maxAddresses {
		t.Errorf("%d addresses are kept", len(th.addresses))
	}
	log.Reset()
	th.note(addr, now.Add(logPause))
	if got := log.String(); !strings.Contains(got, "tries_of_others=8172") {
		t.Errorf("afterwards the log says %s", got)
	}
}
