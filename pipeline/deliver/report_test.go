package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/pipeline/work"
)

// logged is a log whose lines can be read back.
type logged struct {
	bytes.Buffer
	log *slog.Logger
}

func newLogged(level slog.Level) *logged {
	l := new(logged)
	l.log = slog.New(slog.NewJSONHandler(&l.Buffer, &slog.HandlerOptions{Level: level}))
	return l
}

// lines takes what was written so far.
func (l *logged) lines(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	l.Reset()
	return out
}

func call(targets int) *work.Batch {
	b := &work.Batch{
		ID: "w1", Notification: chatbell.Notification{Network: "acme", EventID: "e1"},
		Destination: work.Destination{Network: "acme", Endpoint: "main"}, Call: &work.Call{Page: 1, Pages: 1},
		Targets: make([]work.Target, targets), Texts: []chatbell.Text{{}},
	}
	for i := range b.Targets {
		b.Targets[i] = work.Target{User: chatbell.UserID(fmt.Sprint("u", i)), Token: "s3cret-token", Attempts: 2}
	}
	return b
}

func refusedTry() *try {
	return &try{Try: work.Try{At: time.Unix(1_800_000_000, 0), Took: time.Second, Err: &chatbell.SendError{
		Reason: chatbell.Unavailable, Retry: true, ProviderReason: "connection_refused", Err: errors.New("could not connect"),
	}}}
}

func flightOf(b *work.Batch, log *slog.Logger) *Flight {
	d := NewDispatcher(Config{Retry: Retry{Webhooks: []time.Duration{time.Minute, time.Minute}}, Now: time.Now, Log: log, Report: NewReport(log, time.Now)})
	f := d.newFlight(b)
	f.expect(1)
	f.tries[0] = *refusedTry()
	f.ended[0] = true
	return f
}

// A call that ends for good has one line, however many people it names, and says why; a
// try that is repeated has none.
func TestOneLineWhenACallEnds(t *testing.T) {
	l := newLogged(slog.LevelInfo)
	for attempts, want := range map[uint32]int{1: 0, 2: 1} {
		b := call(3)
		for i := range b.Targets {
			b.Targets[i].Attempts = attempts
		}
		if _, err := flightOf(b, l.log).settle(t.Context(), new(chatbell.Results)); err != nil {
			t.Fatal(err)
		}
		lines := l.lines(t)
		if len(lines) != want {
			t.Fatalf("after try %d: %d lines, want %d: %v", attempts+1, len(lines), want, lines)
		}
		for _, m := range lines {
			for key, value := range map[string]any{
				"level": "WARN", "network": "acme", "event": "e1", "endpoint": "main", "webhook_id": "w1", "users": 3.0, "attempts": 3.0,
				"reason": "unavailable", "provider_reason": "connection_refused", "outcome": "failed",
			} {
				if m[key] != value {
					t.Errorf("%s is %v, want %v", key, m[key], value)
				}
			}
		}
	}
}

// At level debug each try has one wide line, without the token.
func TestOneWideLineForEachTry(t *testing.T) {
	l := newLogged(slog.LevelDebug)
	b := call(2)
	if _, err := flightOf(b, l.log).settle(t.Context(), new(chatbell.Results)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(l.String(), "s3cret") {
		t.Errorf("the log holds a token: %s", l)
	}
	lines := l.lines(t)
	if len(lines) != 2 || lines[0]["msg"] != "attempt" {
		t.Fatalf("%d lines, want the attempt and the end: %v", len(lines), lines)
	}
	for _, key := range []string{
		"network", "event", "delivery", "target", "app", "endpoint", "user", "device", "batch", "attempt", "at", "took", "outcome", "reason",
		"provider_status", "provider_reason", "provider_id", "maybe_repeat", "will_retry", "error", "fate_unknown", "retry_after",
	} {
		if _, ok := lines[0][key]; !ok {
			t.Errorf("the line of an attempt has no %s: %v", key, lines[0])
		}
	}
}

// A million pushes that end alike are ten lines a minute, and the next says how many
// were left out; what ended otherwise, or elsewhere, is told at once.
func TestFailuresAreThrottled(t *testing.T) {
	l, now := newLogged(slog.LevelInfo), time.Unix(1_800_000_000, 0)
	r := NewReport(l.log, func() time.Time { return now })
	b := call(1)
	fail := func(reason chatbell.Reason, times int) {
		for range times {
			r.failed(b, "", &b.Targets[0], verdict{outcome: chatbell.Failed, reason: reason}, refusedTry())
		}
	}
	fail(chatbell.Unavailable, 1000)
	fail(chatbell.Timeout, 1)
	if n := len(l.lines(t)); n != failureLines+1 {
		t.Errorf("%d lines, want %d and one for another reason", n, failureLines)
	}
	now = now.Add(failureSpan)
	fail(chatbell.Unavailable, 1)
	lines := l.lines(t)
	if len(lines) != 1 || lines[0]["similar_left_out"] != float64(1000-failureLines) {
		t.Errorf("the next line does not say what was left out: %v", lines)
	}
	fail(chatbell.Unregistered, 5) // has its line when the device is removed
	if lines := l.lines(t); len(lines) != 0 {
		t.Errorf("a dead token is told twice: %v", lines)
	}
}

// A missing credential is told once for its app, and again after a while.
func TestMissingCredentialIsToldOnce(t *testing.T) {
	l, now := newLogged(slog.LevelInfo), time.Unix(1_800_000_000, 0)
	r := NewReport(l.log, func() time.Time { return now })
	row := chatbell.Delivery{Network: "acme", Target: chatbell.TargetAPNs, App: "chat", Outcome: chatbell.Failed, Reason: chatbell.Auth}
	other, refused := row, row
	other.Target, refused.App, refused.Attempts = chatbell.TargetFCM, "refused", 1
	for range 500 {
		r.Unreachable([]chatbell.Delivery{row, refused})
	}
	r.Unreachable([]chatbell.Delivery{other})
	lines := l.lines(t)
	if len(lines) != 2 || lines[0]["provider"] != "apns" || lines[0]["app"] != "chat" || lines[0]["network"] != "acme" {
		t.Errorf("%d lines, want one for each provider: %v", len(lines), lines)
	}
	now = now.Add(credentialSpan)
	r.Unreachable([]chatbell.Delivery{row})
	if n := len(l.lines(t)); n != 1 {
		t.Errorf("%d lines an hour later, want 1", n)
	}
}

// What the throttle remembers is bounded.
func TestThrottleIsBounded(t *testing.T) {
	th := newThrottle(1, time.Hour, time.Now)
	for i := range 3 * maxThrottled {
		if _, ok := th.allow(i); !ok {
			t.Fatalf("the first line about %d is left out", i)
		}
	}
	if len(th.seen) > maxThrottled {
		t.Errorf("%d things are remembered, want at most %d", len(th.seen), maxThrottled)
	}
}
