package deliver

import (
	"slices"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/push"
	"chatbell/pipeline/work"
)

// redelivered is a batch as it is planned from a redelivered event, and how many of its
// targets are left to be sent to.
func (w *world) redelivered(b *work.Batch, how jetstream.Redelivery) int {
	w.t.Helper()
	again := *b
	again.Targets = slices.Clone(b.Targets)
	if err := w.cfg.Ledger.Drop(w.t.Context(), []*work.Batch{&again}, how); err != nil {
		w.t.Fatal(err)
	}
	return len(again.Targets)
}

// waits is how many batches wait.
func (w *world) waits() int64 {
	w.t.Helper()
	backlogs, err := w.store.Backlogs(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	n := int64(0)
	for _, b := range backlogs {
		n += b.Rows
	}
	return n
}

// left puts a batch into the store as a killed process has left it.
func (w *world) left(b *work.Batch, due time.Time) {
	w.t.Helper()
	old := *b
	old.Instance = "old"
	data, err := old.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.PutWaiting(w.t.Context(), []store.Waiting{{
		ID: string(b.Notification.EventID), Destination: b.Destination.String(), Kind: b.Destination.Kind(), DueAt: due, Since: b.Notification.AcceptedAt, Payload: data,
	}}); err != nil {
		w.t.Fatal(err)
	}
}

// The broker hands an event out again, to the same process, while what it has led to waits
// to be tried again: the waiting retry is its only one.
func TestRedeliveredWhileItsRetryWaits(t *testing.T) {
	apple := &service{answer: func(push.Target) error {
		return &chatbell.SendError{Reason: chatbell.Unavailable, Status: 503, Retry: true, RetryAfter: time.Minute}
	}}
	w := newWorld(t, apple, 1)
	b := w.batch("n0", 2)
	other := w.batch("n0", 1) // of the same millisecond, perhaps
	other.Notification.AcceptedAt = b.Notification.AcceptedAt
	w.submit(b)
	w.until("its retry waits", func() bool { return w.waits() == 1 })
	if n := w.redelivered(b, jetstream.RedeliveredHere); n != 0 {
		t.Errorf("%d targets are sent to beside their retry", n)
	}
	if n := w.redelivered(other, jetstream.RedeliveredHere); n != 1 {
		t.Errorf("%d targets of another event are left, want 1", n)
	}
}

// A killed process has left a retry, and its event comes again: the retry is tried, and the
// event adds no second one, neither while it waits nor when it is done.
func TestRetryOfKilledProcessIsTheOnlyOne(t *testing.T) {
	apple := new(service)
	w := newWorld(t, apple, 1)
	b := w.batch("n0", 1)
	w.left(b, time.Now().Add(time.Hour))
	if n := w.redelivered(b, jetstream.RedeliveredFromBefore); n != 0 {
		t.Errorf("%d targets are sent to beside their retry", n)
	}
	done := w.batch("n0", 1)
	w.left(done, time.Now())
	line := w.queue(done.Destination)
	line.mu.Lock()
	line.backlog.rows++
	line.mu.Unlock()
	line.ring()
	w.until("the retry that is due is done", func() bool { return apple.acceptedOnce() == 1 && w.waits() == 1 })
	if n := w.redelivered(done, jetstream.RedeliveredFromBefore); n != 0 {
		t.Errorf("%d targets are sent to although their retry was accepted", n)
	}
}
