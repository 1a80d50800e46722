package intake

import (
	"testing"
	"time"
)

// A bucket holds a second's worth, fills by its rate, and lets a single request pass when it
// is full, whatever its size.
func TestBucket(t *testing.T) {
	now := time.Unix(1000, 0)
	var b bucket
	for _, step := range []struct {
		what   string
		after  time.Duration
		n      int64
		single bool
		want   time.Duration
	}{
		{"a second's worth at once", 0, 10, false, 0},
		{"and one more", 0, 1, true, 100 * time.Millisecond},
		{"when it is told to come", 100 * time.Millisecond, 1, true, 0},
		{"no more than a second's worth gathers", time.Hour, 11, false, 100 * time.Millisecond},
		{"one that is larger than all", 0, 30, true, 0},
		{"pays for it later", time.Second, 1, true, 1100 * time.Millisecond},
		{"but no longer than that", 1100 * time.Millisecond, 1, true, 0},
	} {
		now = now.Add(step.after)
		if got := b.wait(now, 10, step.n, step.single); got.Round(time.Millisecond) != step.want {
			t.Errorf("%s: wait %v, want %v", step.what, got, step.want)
		} else if got == 0 {
			b.take(step.n)
		}
	}
	b.giveBack(1)
	if got := b.wait(now, 10, 1, true); got != 0 {
		t.Errorf("after one was given back: wait %v", got)
	}
	if got := b.wait(now, 0, 1e9, false); got != 0 {
		t.Errorf("without a limit: wait %v", got)
	}
}
