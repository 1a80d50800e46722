package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"chatbell"
	"chatbell/internal/store"
)

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

// undone: a write that fails midway is undone as a whole, and its neighbours are not.
func undone(t *testing.T, f *fixture) {
	ctx := t.Context()
	taken := chatbell.Key{ID: "k", Network: "first", Scope: chatbell.ScopeServer, Hash: []byte("taken")}
	f.must(f.CreateNetwork(ctx, "first", taken))
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	want := []string{"first"}
	var wg sync.WaitGroup
	for i := range 32 {
		good, bad := chatbell.NetworkID(fmt.Sprint("good", i)), chatbell.NetworkID(fmt.Sprint("bad", i))
		want = append(want, string(good))
		wg.Go(func() {
			key := taken
			key.Network = bad
			if err := f.CreateNetwork(ctx, bad, key); err == nil {
				t.Error("two keys have one hash")
			}
		})
		wg.Go(func() {
			if err := f.CreateNetwork(ctx, good, chatbell.Key{ID: "k", Network: good, Scope: chatbell.ScopeServer, Hash: []byte(good)}); err != nil {
				t.Errorf("a neighbour of failing writes: %v", err)
			}
		})
		wg.Go(func() {
			if err := f.PutMeta(cancelled, string(bad), "v"); !errors.Is(err, context.Canceled) {
				t.Errorf("a neighbour that gave up: %v", err)
			}
			if _, err := f.Meta(ctx, string(bad)); !errors.Is(err, chatbell.ErrNotFound) {
				t.Errorf("what a caller that gave up has written: %v", err)
			}
		})
	}
	wg.Wait()
	list, err := f.Networks(ctx)
	f.must(err)
	got := ids(list, func(n store.NetworkRow) chatbell.NetworkID { return n.ID })
	slices.Sort(got)
	slices.Sort(want)
	f.equal("the networks", got, want)
	keys, err := f.Keys(ctx)
	f.must(err)
	f.equal("how many keys there are", len(keys), len(want))
}

// readYourWrites: what a write has stored is read by whoever asks afterwards, also
// while others read and write the same.
func readYourWrites(t *testing.T, f *fixture) {
	ctx := t.Context()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := errors.Join(second(f.NetworkSettings(ctx, acme)), second(f.DisabledEndpoints(ctx))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 100 {
		on := i%2 == 0
		f.must(f.PutNetworkSettings(ctx, acme, chatbell.Toggles{Enabled: &on}))
		s, err := f.NetworkSettings(ctx, acme)
		if err != nil || s.Enabled == nil || *s.Enabled != on {
			t.Errorf("put %t, read %+v, %v", on, s, err)
		}
		id := chatbell.EndpointID(fmt.Sprint("e", i))
		f.must(f.DisableEndpoint(ctx, acme, chatbell.Endpoint{ID: id, URL: "https://x"}, chatbell.EndpointDisabled))
		if off, err := f.DisabledEndpoints(ctx); err != nil || off[acme][id] == "" {
			t.Errorf("%s is not disabled: %v", id, err)
		}
	}
	close(stop)
	wg.Wait()
}

// closeUnderWrites: of writes that meet Close, each is either told that it failed, or
// is there when the store is opened again.
func closeUnderWrites(t *testing.T, f *fixture) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var done []string
	many := make(chan struct{})
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d", w, i)
				if err := f.PutMeta(t.Context(), key, key); err != nil {
					return
				}
				mu.Lock()
				if done = append(done, key); len(done) == 100 {
					close(many)
				}
				mu.Unlock()
			}
		})
	}
	<-many
	f.must(f.Close())
	wg.Wait()
	f.reopen()
	for _, key := range done {
		if v, err := f.Meta(t.Context(), key); err != nil || v != key {
			t.Errorf("%s was written and is %q, %v", key, v, err)
		}
	}
}

// reopen: everything that was put is there when the store is opened again, and what
// was deleted stays gone.
func reopen(t *testing.T, f *fixture) {
	ctx := t.Context()
	for _, c := range f.calls(ctx, "globex") {
		f.must(c.do())
	}
	f.populate(acme)
	f.event(inChannel(chatbell.ChannelDeleted, "elsewhere"))
	f.event(chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "u"}})
	f.must(second(f.PutWaiting(ctx, []store.Waiting{waitingRow("l", "d", 0)})))
	f.must(f.PutCheckpoint(ctx, "k", []byte("data")))
	f.must(f.PutRecorderCursor(ctx, store.Cursor{Done: 1 << 40, Through: 1 << 41}))
	f.must(f.PutMeta(ctx, "k", "v"))
	rest := func() map[string]any {
		due, err := f.Waiting(ctx, store.WaitingQuery{Destination: "d", Due: laterThanAll, Limit: 10})
		f.must(err)
		checkpoint, err := f.Checkpoint(ctx, "k")
		f.must(err)
		cursor, err := f.RecorderCursor(ctx)
		f.must(err)
		value, err := f.Meta(ctx, "k")
		f.must(err)
		keys, err := f.Keys(ctx)
		f.must(err)
		networks, err := f.Networks(ctx)
		f.must(err)
		return map[string]any{"work": due, "checkpoint": checkpoint, "cursor": cursor, "meta": value, "keys": keys, "networks": networks}
	}
	ours, theirs, others := f.picture(acme), f.picture("globex"), rest()
	f.must(f.Close())
	f.reopen()
	f.same("opened again", f.picture(acme), ours)
	f.same("of the other network, opened again", f.picture("globex"), theirs)
	f.same("opened again", rest(), others)

	f.at(1, inChannel(chatbell.ChannelLeft, "c", "a", "b")) // none of these is newer than what it is about
	f.at(2, inChannel(chatbell.ChannelJoined, "c", "left"))
	f.at(3, inChannel(chatbell.ChannelJoined, "c", "u"))
	f.at(3, chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "u", Name: "Old"}})
	f.same("after old events", f.picture(acme), ours)
}
