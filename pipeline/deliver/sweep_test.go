package deliver

import (
	"strings"
	"testing"
	"time"

	"chatbell"
)

// sweep looks through the backlogs once, with these bounds.
func (w *world) sweep(bounds caps) {
	w.t.Helper()
	one := newSweeper(w.Dispatcher)
	one.caps = bounds
	if err := one.sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// told are how many lines of the log have a text.
func (w *world) told(text string) int {
	n := 0
	for _, line := range w.log.lines(w.t) {
		if msg, _ := line["msg"].(string); strings.Contains(msg, text) {
			n++
		}
	}
	return n
}

// What has waited for longer than it is worth ends with a row, although its destination is
// away and nothing is tried; what is younger goes on waiting.
func TestOldWorkEndsWithoutATry(t *testing.T) {
	const old = sweepPage + 10
	apple := new(service)
	w := newWorld(t, apple, 1)
	hour := time.Now().Add(time.Hour)
	for range old {
		b := w.batch("n0", 1)
		b.Notification.AcceptedAt = time.Now().Add(-DefaultRetry().PushExpire - time.Hour)
		b.Notification.ExpiresAt = time.Now().Add(-time.Hour)
		w.left(b, hour)
	}
	w.left(w.batch("n0", 1), hour)
	w.sweep(backlogCaps)
	w.until("the old ones are gone", func() bool { return w.waits() == 1 })
	w.until("their rows are there", func() bool { return len(w.ended()) == old })
	for _, row := range w.ended() {
		if row.Outcome != chatbell.Expired || row.Reason != chatbell.ExpiredReason {
			t.Fatalf("a row says %s, %s", row.Outcome, row.Reason)
		}
	}
	if n := len(apple.tries(time.Time{})); n != 0 {
		t.Errorf("%d tries", n)
	}
}

// A backlog has a bound, in batches and in bytes, and all together have one. The oldest falls
// out, each with a row, and the operator is told once.
func TestBacklogsAreBounded(t *testing.T) {
	const put, keep = 40, 15
	unbounded := caps{rows: 1 << 40, bytes: 1 << 40, all: 1 << 40}
	for what, set := range map[string]func(c *caps, size int64){
		"batches":      func(c *caps, _ int64) { c.rows = keep },
		"bytes":        func(c *caps, size int64) { c.bytes = keep * size },
		"bytes of all": func(c *caps, size int64) { c.all = keep * size },
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, new(service), 1)
			var events []chatbell.EventID
			for range put {
				b := w.batch("n0", 1)
				events = append(events, b.Notification.EventID)
				w.left(b, time.Now().Add(time.Hour))
			}
			w.sweep(unbounded)
			if n := w.waits(); n != put {
				t.Fatalf("%d wait, want all %d", n, put)
			}
			bounds := unbounded
			set(&bounds, w.bytes()/put)
			w.sweep(bounds)
			w.sweep(bounds)
			left := w.waits()
			if left < 1 || left > keep {
				t.Errorf("%d are left, want at most %d", left, keep)
			}
			w.checkFallen(events, int(left))
			if n := w.told("backlog is too long"); n != 1 {
				t.Errorf("the operator was told %d times, want once", n)
			}
		})
	}
}

// bytes is how much waits.
func (w *world) bytes() int64 {
	w.t.Helper()
	backlogs, err := w.store.Backlogs(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	n := int64(0)
	for _, b := range backlogs {
		n += b.Bytes
	}
	return n
}

// checkFallen compares the rows with the events that have fallen out: all but the last.
func (w *world) checkFallen(events []chatbell.EventID, left int) {
	w.t.Helper()
	rows := map[chatbell.EventID]bool{}
	for _, row := range w.ended() {
		rows[row.EventID] = true
		if row.Outcome != chatbell.Failed || row.Reason != chatbell.Unavailable || row.ProviderReason == "" {
			w.t.Fatalf("a row says %s, %s, %q", row.Outcome, row.Reason, row.ProviderReason)
		}
	}
	for i, id := range events {
		if fallen := i < len(events)-left; rows[id] != fallen {
			w.t.Errorf("event %d of %d, of which %d are left, has fallen out: %t", i, len(events), left, rows[id])
		}
	}
}
