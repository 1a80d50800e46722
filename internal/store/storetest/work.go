package storetest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

// waitingRow is a batch that waits, due some time after 1,800,000,000 s.
func waitingRow(id, destination string, due time.Duration) store.Waiting {
	at := time.UnixMilli(1_800_000_000_000).Add(due)
	return store.Waiting{ID: id, Destination: destination, Kind: chatbell.TargetAPNs, DueAt: at, Since: at.Add(-time.Hour), Payload: []byte(id)}
}

// laterThanAll is when everything is due.
var laterThanAll = time.UnixMilli(1 << 45)

// waiting: a backlog gives what is due by its time, or all in the order in which it came;
// each batch once, however often it is put; those of other destinations are not in it.
func waiting(t *testing.T, f *fixture) {
	ctx := t.Context()
	now := time.UnixMilli(1_800_000_000_000)
	ask := func(what string, q store.WaitingQuery, want ...string) {
		t.Helper()
		rows, err := f.Waiting(ctx, q)
		f.must(err)
		f.equal(what, ids(rows, func(r store.Waiting) string { return r.ID }), append([]string{}, want...))
	}
	rows := []store.Waiting{
		waitingRow("third", "d", -time.Second), waitingRow("first", "d", -time.Hour), waitingRow("other", "e", -time.Hour),
		waitingRow("second", "d", -time.Minute), waitingRow("future", "d", time.Hour),
	}
	places, err := f.PutWaiting(ctx, rows)
	f.must(err)
	if len(places) != len(rows) || !slices.IsSorted(places) {
		t.Errorf("places %v", places)
	}
	changed := waitingRow("first", "d", 0)
	changed.Payload = []byte("another")
	again, err := f.PutWaiting(ctx, []store.Waiting{changed}) // is there already
	f.must(err)
	f.equal("the place of a batch that was there", again, places[1:2])
	ask("the first that are due", store.WaitingQuery{Destination: "d", Due: now, Limit: 2}, "first", "second")
	ask("all that is due", store.WaitingQuery{Destination: "d", Due: now, Limit: 10}, "first", "second", "third")
	ask("all, in its order", store.WaitingQuery{Destination: "d", Limit: 10}, "third", "first", "second", "future")
	ask("the other destination's", store.WaitingQuery{Destination: "e", Limit: 10}, "other")
	ask("nobody's", store.WaitingQuery{Destination: "f", Limit: 10})
	twin := waitingRow("twin", "d", time.Minute)
	twin.Since = rows[1].Since
	twins, err := f.PutWaiting(ctx, []store.Waiting{twin})
	f.must(err)
	ask("of requests of that time", store.WaitingQuery{Destination: "d", Since: twin.Since, Limit: 10}, "first", "twin")
	ask("the first of them", store.WaitingQuery{Destination: "d", Since: twin.Since, Limit: 1}, "first")
	ask("those behind it", store.WaitingQuery{Destination: "d", Since: twin.Since, After: places[1], Limit: 10}, "twin")
	ask("of requests of another time", store.WaitingQuery{Destination: "d", Since: twin.Since.Add(time.Millisecond), Limit: 10})
	ask("of requests before a time", store.WaitingQuery{Destination: "d", Before: twin.Since.Add(1), Limit: 10})
	ask("of requests before a later time", store.WaitingQuery{Destination: "d", Before: rows[4].Since, Limit: 3}, "first", "twin", "second")
	f.must(f.SettleWaiting(ctx, store.Settled{Done: twins}))
	one, err := f.Waiting(ctx, store.WaitingQuery{Destination: "d", Due: now, Limit: 1})
	f.must(err)
	want := rows[1]
	want.Seq = places[1]
	f.equal("a row", one, []store.Waiting{want})

	want.DueAt = now.Add(2 * time.Hour)
	want.Payload = []byte("tried once")
	f.must(f.SettleWaiting(ctx, store.Settled{Done: []int64{places[0], 1 << 50}, Again: []store.Waiting{want}, New: []store.Waiting{waitingRow("part", "d", 0)}}))
	ask("what is due then", store.WaitingQuery{Destination: "d", Due: now, Limit: 10}, "second", "part")
	ask("all, in its order, then", store.WaitingQuery{Destination: "d", Limit: 10}, "first", "second", "future", "part")
	one, err = f.Waiting(ctx, store.WaitingQuery{Destination: "d", Limit: 1})
	f.must(err)
	f.equal("the row that waits again", one, []store.Waiting{want})
	f.must(f.SettleWaiting(ctx, store.Settled{}))
	// The id is free again: the same work may have to wait once more.
	_, err = f.PutWaiting(ctx, []store.Waiting{waitingRow("third", "d", -2*time.Hour)})
	f.must(err)
	ask("a batch that was put again", store.WaitingQuery{Destination: "d", Due: now, Limit: 1}, "third")
}

// backlogs: what waits is counted by destination, whatever is put twice or taken twice.
func backlogs(t *testing.T, f *fixture) {
	ctx := t.Context()
	now := time.UnixMilli(1_800_000_000_000)
	waits := func(what string, want ...store.Backlog) {
		t.Helper()
		got, err := f.Backlogs(ctx)
		f.must(err)
		f.equal(what, got, want)
	}
	waits("in a new store")
	rows := []store.Waiting{waitingRow("1", "d", time.Minute), waitingRow("22", "d", -time.Hour), waitingRow("333", "d", 0)}
	for i := range rows {
		rows[i].Kind = chatbell.TargetWebhook
	}
	places, err := f.PutWaiting(ctx, rows)
	f.must(err)
	_, err = f.PutWaiting(ctx, append(rows, waitingRow("4", "a", time.Second))) // but the last they are there already
	f.must(err)
	other := store.Backlog{Destination: "a", Kind: chatbell.TargetAPNs, Rows: 1, Bytes: 1, Next: now.Add(time.Second), Oldest: now.Add(time.Second - time.Hour)}
	waits("after putting", other, store.Backlog{Destination: "d", Kind: chatbell.TargetWebhook, Rows: 3, Bytes: 6, Next: now.Add(-time.Hour), Oldest: now.Add(-2 * time.Hour)})
	f.must(f.SettleWaiting(ctx, store.Settled{Done: places[1:2]}))
	f.must(f.SettleWaiting(ctx, store.Settled{Done: places[1:2]}))
	waits("without the oldest", other, store.Backlog{Destination: "d", Kind: chatbell.TargetWebhook, Rows: 2, Bytes: 4, Next: now, Oldest: now.Add(-time.Hour)})
	longer := rows[2]
	longer.Seq = places[2]
	longer.Payload = []byte("12345")
	f.must(f.SettleWaiting(ctx, store.Settled{Again: []store.Waiting{longer}}))
	waits("with a longer one", other, store.Backlog{Destination: "d", Kind: chatbell.TargetWebhook, Rows: 2, Bytes: 6, Next: now, Oldest: now.Add(-time.Hour)})
	f.must(f.SettleWaiting(ctx, store.Settled{Done: places}))
	waits("when a destination has none left", other)
}

func cursor(t *testing.T, f *fixture) {
	ctx := t.Context()
	c, err := f.RecorderCursor(ctx)
	f.must(err)
	f.equal("a new cursor", c, store.Cursor{})
	f.must(f.PutRecorderCursor(ctx, store.Cursor{Done: 3, Through: 7}))
	f.must(f.PutRecorderCursor(ctx, store.Cursor{Done: 7, Through: 1 << 60}))
	c, err = f.RecorderCursor(ctx)
	f.must(err)
	f.equal("the cursor", c, store.Cursor{Done: 7, Through: 1 << 60})
}

func checkpoints(t *testing.T, f *fixture) {
	ctx := t.Context()
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
