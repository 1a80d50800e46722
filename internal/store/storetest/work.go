package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
		return store.Later{ID: id, DueAt: now.Add(due), Destination: "acme/apns/chat", Topic: "PUSH.1.acme", Payload: []byte(id)}
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
	f.must(f.DeleteCheckpoint(ctx, "k"))
	f.must(f.DeleteCheckpoint(ctx, "k"))
	if data, err = f.Checkpoint(ctx, "k"); err != nil || data != nil {
		t.Errorf("a deleted checkpoint is %q, %v", data, err)
	}
}

// Everything that was put is there when the store is opened again.
func reopen(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.event(inChannel(chatbell.ChannelCreated, "c", "a", "b"))
	f.register(device("d", "a", "t"))
	f.must(f.PutNetworkSettings(ctx, acme, chatbell.Toggles{Enabled: ptr(false)}))
	f.must(f.PutLater(ctx, []store.Later{{ID: "l", DueAt: time.Now(), Payload: []byte("p")}}))
	f.must(f.PutMeta(ctx, "k", "v"))
	f.must(f.Close())
	f.Store = f.open(t, f.dir, func() uint64 { return f.seq })
	f.equal("members", f.memberIDs("c"), []string{"a", "b"})
	if d, err := f.Device(ctx, acme, "d"); err != nil || d.Token != "t" {
		t.Errorf("the device is %+v, %v", d, err)
	}
	if s, err := f.NetworkSettings(ctx, acme); err != nil || s.Enabled == nil || *s.Enabled {
		t.Errorf("the settings are %+v, %v", s, err)
	}
	if due, err := f.DueLater(ctx, time.Now(), 10); err != nil || len(due) != 1 {
		t.Errorf("work that waits: %v, %v", due, err)
	}
	if v, err := f.Meta(ctx, "k"); err != nil || v != "v" {
		t.Errorf("the value is %q, %v", v, err)
	}
	f.at(f.seq, inChannel(chatbell.ChannelLeft, "c", "a")) // not newer than what the row knows
	f.equal("members after an old event", f.memberIDs("c"), []string{"a", "b"})
}

// Writers do not disturb each other: everyone is told of its own write only.
func concurrency(t *testing.T, f *fixture) {
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				if _, err := f.RegisterDevice(t.Context(), acme, device(id, "u"+id, "t"+id)); err != nil {
					t.Error(err)
				}
				if err := f.DeleteUser(t.Context(), acme, chatbell.UserID("nobody"+id)); !errors.Is(err, chatbell.ErrNotFound) {
					t.Errorf("a neighbour's failure: %v", err)
				}
				if _, err := f.Device(t.Context(), acme, chatbell.DeviceID(id)); err != nil {
					t.Errorf("what was just written: %v", err)
				}
			}
		})
	}
	wg.Wait()
	f.equal("devices", len(f.deviceIDs(store.DeviceFilter{Limit: 1000})), writers*each)
}

// A caller that has given up gets its error, and the store goes on.
func cancelled(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.PutMeta(ctx, "k", "v"); !errors.Is(err, context.Canceled) {
		t.Errorf("a write: %v", err)
	}
	if _, err := f.Members(ctx, acme, "c", "", 10); !errors.Is(err, context.Canceled) {
		t.Errorf("a read: %v", err)
	}
	f.must(f.PutMeta(t.Context(), "k", "v"))
}
