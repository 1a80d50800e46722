package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

func later(t *testing.T, f *fixture) {
	ctx := t.Context()
	if _, waiting, err := f.NextLater(ctx); err != nil || waiting {
		t.Errorf("work waits in a new store: %v", err)
	}
	now := time.UnixMilli(time.Now().UnixMilli())
	row := func(id string, due time.Duration) store.Later {
		return store.Later{
			ID: id, DueAt: now.Add(due), Kind: chatbell.TargetAPNs, Since: now.Add(due - time.Hour),
			Destination: "acme/apns/chat", Topic: "PUSH.1.acme", Payload: []byte(id),
		}
	}
	f.must(f.PutLater(ctx, []store.Later{row("third", -time.Second), row("first", -time.Hour), row("second", -time.Minute), row("future", time.Hour)}))
	changed := row("first", 0)
	changed.Payload = []byte("another")
	f.must(f.PutLater(ctx, []store.Later{changed})) // is there already
	due, err := f.DueLater(ctx, now, 2)
	f.must(err)
	f.equal("the first that are due", due, []store.Later{row("first", -time.Hour), row("second", -time.Minute)})
	f.must(f.DeleteLater(ctx, []string{"first", "second", "unknown"}))
	due, err = f.DueLater(ctx, now, 10)
	f.must(err)
	f.equal("the rest that is due", due, []store.Later{row("third", -time.Second)})
	f.must(f.DeleteLater(ctx, []string{"third"}))
	next, waiting, err := f.NextLater(ctx)
	if err != nil || !waiting || !next.Equal(now.Add(time.Hour)) {
		t.Errorf("next at %v, %t, %v", next, waiting, err)
	}
}

// laterThanAll is when everything is due.
var laterThanAll = time.UnixMilli(1 << 45)

// takes: work is given back oldest first, as much as is asked for, again and again
// until it is deleted; each piece once.
func takes(t *testing.T, f *fixture) {
	ctx, now := t.Context(), time.UnixMilli(1_800_000_000_000)
	const n, page = 200, 64
	var want, got []string
	rows := make([]store.Later, n)
	for i := range rows {
		id := fmt.Sprintf("w%03d", (i*77)%n) // put in another order than they are due
		rows[i] = store.Later{ID: id, DueAt: now.Add(-time.Duration(n-(i*77)%n) * time.Millisecond), Destination: "d", Topic: "t", Payload: []byte(id)}
		want = append(want, fmt.Sprintf("w%03d", i))
	}
	f.must(f.PutLater(ctx, rows))
	f.must(f.PutLater(ctx, rows[:50]))
	f.must(f.PutLater(ctx, nil))
	for {
		due, err := f.DueLater(ctx, now.Add(-time.Millisecond), page)
		f.must(err)
		again, err := f.DueLater(ctx, now.Add(-time.Millisecond), page)
		f.must(err)
		f.equal("what is due, taken again", again, due)
		if len(due) == 0 {
			break
		}
		if len(due) > page {
			t.Fatalf("%d were given back, want at most %d", len(due), page)
		}
		taken := ids(due, func(l store.Later) string { return l.ID })
		got = append(got, taken...)
		f.must(f.DeleteLater(ctx, taken))
		f.must(f.DeleteLater(ctx, taken))
	}
	f.equal("the work, in the order in which it was due", got, want)
	f.must(f.DeleteLater(ctx, nil))
	if _, waiting, err := f.NextLater(ctx); err != nil || waiting {
		t.Errorf("work waits although all was taken: %v", err)
	}
	// The id is free again: the same work may have to wait once more.
	f.must(f.PutLater(ctx, []store.Later{{ID: "w000", DueAt: now, Payload: []byte("again")}}))
	if due, err := f.DueLater(ctx, now, 1); err != nil || len(due) != 1 || string(due[0].Payload) != "again" {
		t.Errorf("work that was put again: %v, %v", due, err)
	}
	if due, err := f.DueLater(ctx, now.Add(-time.Millisecond), 1); err != nil || len(due) != 0 {
		t.Errorf("work that is not due yet: %v, %v", due, err)
	}
}

// sums: what waits is counted by kind, whatever is put twice or taken twice.
func sums(t *testing.T, f *fixture) {
	ctx, since := t.Context(), time.UnixMilli(1_800_000_000_000)
	waiting := func(what string, want ...store.Waiting) {
		t.Helper()
		got, err := f.Waiting(ctx)
		f.must(err)
		f.equal(what, got, want)
	}
	waiting("in a new store")
	row := func(id string, kind chatbell.TargetKind, age time.Duration) store.Later {
		return store.Later{ID: id, DueAt: since, Kind: kind, Since: since.Add(-age), Destination: "d", Topic: "t", Payload: []byte(id)}
	}
	hooks := []store.Later{row("1", chatbell.TargetWebhook, time.Minute), row("2", chatbell.TargetWebhook, time.Hour), row("3", chatbell.TargetWebhook, 0)}
	f.must(f.PutLater(ctx, append(hooks, row("4", chatbell.TargetFCM, time.Second))))
	f.must(f.PutLater(ctx, hooks)) // are there already
	fcm := store.Waiting{Kind: chatbell.TargetFCM, Rows: 1, Oldest: since.Add(-time.Second)}
	waiting("after putting", fcm, store.Waiting{Kind: chatbell.TargetWebhook, Rows: 3, Oldest: since.Add(-time.Hour)})
	f.must(f.DeleteLater(ctx, []string{"2", "unknown"}))
	f.must(f.DeleteLater(ctx, []string{"2"}))
	waiting("without the oldest", fcm, store.Waiting{Kind: chatbell.TargetWebhook, Rows: 2, Oldest: since.Add(-time.Minute)})
	f.must(f.DeleteLater(ctx, []string{"1", "3"}))
	waiting("when a kind has none left", fcm)
}

func progress(t *testing.T, f *fixture) {
	ctx := t.Context()
	c, err := f.RecorderCursor(ctx)
	f.must(err)
	f.equal("a new cursor", c, store.Cursor{})
	f.must(f.PutRecorderCursor(ctx, store.Cursor{Done: 3, Through: 7}))
	f.must(f.PutRecorderCursor(ctx, store.Cursor{Done: 7, Through: 1 << 60}))
	c, err = f.RecorderCursor(ctx)
	f.must(err)
	f.equal("the cursor", c, store.Cursor{Done: 7, Through: 1 << 60})

	data, err := f.Checkpoint(ctx, "k")
	if err != nil || data != nil {
		t.Errorf("a checkpoint that nobody put: %q, %v", data, err)
	}
	f.must(f.PutCheckpoint(ctx, "k", []byte("1")))
	f.must(f.PutCheckpoint(ctx, "k", []byte("2")))
	if data, err = f.Checkpoint(ctx, "k"); err != nil || string(data) != "2" {
		t.Errorf("the checkpoint is %q, %v", data, err)
	}
	binary := []byte{0, 0xff, '\'', 0}
	f.must(f.PutCheckpoint(ctx, "other", binary))
	if data, err = f.Checkpoint(ctx, "other"); err != nil || !bytes.Equal(data, binary) {
		t.Errorf("the other checkpoint is %q, %v", data, err)
	}
	f.must(f.DeleteCheckpoint(ctx, "k"))
	f.must(f.DeleteCheckpoint(ctx, "k"))
	if data, err = f.Checkpoint(ctx, "k"); err != nil || data != nil {
		t.Errorf("a deleted checkpoint is %q, %v", data, err)
	}
	if data, err = f.Checkpoint(ctx, "other"); err != nil || !bytes.Equal(data, binary) {
		t.Errorf("the other checkpoint, after the deletion, is %q, %v", data, err)
	}
}
