package storetest

import (
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

func settings(t *testing.T, f *fixture) {
	ctx := t.Context()
	toggles := chatbell.Toggles{
		Enabled: new(true),
		Modules: []chatbell.ModuleToggle{{Name: "chat", Enabled: new(false), Roles: chatbell.RoleFilter{Include: []string{"a"}, Exclude: []string{"b"}}}},
		Events:  []chatbell.EventToggle{{Name: chatbell.MessageCreated}},
	}
	user := chatbell.UserSettings{Toggles: toggles, SnoozeUntil: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), QuietHours: &chatbell.QuietHours{From: "22:00", To: "07:00", Timezone: "Europe/Berlin"}}
	channel := chatbell.ChannelSettings{Toggles: toggles, MentionsOnly: true}
	for range 2 { // never set, then set
		n, err := f.NetworkSettings(ctx, acme)
		f.must(err)
		u, err := f.UserSettings(ctx, acme, "a")
		f.must(err)
		c, err := f.ChannelSettings(ctx, acme, "a", "c")
		f.must(err)
		if n.Enabled == nil {
			f.equal("settings that were never set", []any{n, u, c}, []any{chatbell.Toggles{}, chatbell.UserSettings{}, chatbell.ChannelSettings{}})
			f.must(f.PutNetworkSettings(ctx, acme, toggles))
			f.must(f.PutUserSettings(ctx, acme, "a", user))
			f.must(f.PutChannelSettings(ctx, acme, "a", "c", channel))
			continue
		}
		f.equal("the settings", []any{n, u, c}, []any{toggles, user, channel})
		// What was read is the reader's: changing it changes nothing here.
		*n.Enabled, n.Events[0].Name = false, "changed"
		again, err := f.NetworkSettings(ctx, acme)
		f.must(err)
		f.equal("the settings after a reader changed its own", again, toggles)
	}
	f.must(f.PutNetworkSettings(ctx, acme, chatbell.Toggles{}))
	n, err := f.NetworkSettings(ctx, acme)
	f.must(err)
	f.equal("settings that were taken back", n, chatbell.Toggles{})
	other, err := f.UserSettings(ctx, acme, "b")
	f.must(err)
	f.equal("another user's settings", other, chatbell.UserSettings{})
}

func networks(t *testing.T, f *fixture) {
	ctx := t.Context()
	key := chatbell.Key{ID: "default", Network: "default", Scope: chatbell.ScopeServer, Hash: []byte{1, 2, 3}}
	f.must(f.CreateNetwork(ctx, "default", key))
	if err := f.CreateNetwork(ctx, "default", key); err == nil {
		t.Error("a network was made twice")
	}
	list, err := f.Networks(ctx)
	f.must(err)
	if len(list) != 1 || list[0].ID != "default" || list[0].DefaultLocale == "" || list[0].Delivery == "" {
		t.Errorf("networks: %+v", list)
	}
	keys, err := f.Keys(ctx)
	f.must(err)
	f.equal("keys", keys, []chatbell.Key{key})
	for _, id := range []chatbell.NetworkID{"b", "\u00e4", "B"} {
		f.must(f.CreateNetwork(ctx, id, chatbell.Key{ID: "k", Network: id, Scope: chatbell.ScopeServer, Hash: []byte(id)}))
	}
	list, err = f.Networks(ctx)
	f.must(err)
	f.equal("the networks in their order", ids(list, func(n store.NetworkRow) chatbell.NetworkID { return n.ID }), []string{"B", "b", "default", "\u00e4"})
	keys, err = f.Keys(ctx)
	f.must(err)
	f.equal("the keys in their order", ids(keys, func(k chatbell.Key) chatbell.NetworkID { return k.Network }), []string{"B", "b", "default", "\u00e4"})
}

func meta(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Meta(ctx, "x")
	f.notFound("a value that nobody put", err)
	f.must(f.PutMeta(ctx, "x", "1"))
	f.must(f.PutMeta(ctx, "x", "2"))
	v, err := f.Meta(ctx, "x")
	f.must(err)
	f.equal("the value", v, "2")
}

func endpoints(t *testing.T, f *fixture) {
	ctx := t.Context()
	off, err := f.DisabledEndpoints(ctx)
	f.must(err)
	f.equal("disabled endpoints at first", len(off), 0)
	f.must(f.DisableEndpoint(ctx, acme, chatbell.Endpoint{ID: "main", URL: "https://x"}, chatbell.EndpointDisabled))
	f.must(f.DisableEndpoint(ctx, "globex", chatbell.Endpoint{ID: "main", URL: "https://x"}, chatbell.EndpointDisabled))
	f.must(f.DisableEndpoint(ctx, acme, chatbell.Endpoint{ID: "main", URL: "https://x"}, chatbell.EndpointDisabled))
	off, err = f.DisabledEndpoints(ctx)
	f.must(err)
	f.equal("disabled endpoints", off, map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason{
		acme: {"main": chatbell.EndpointDisabled}, "globex": {"main": chatbell.EndpointDisabled},
	})
}

// enabledEndpoints: that an endpoint is disabled can be taken back, by name, or because it
// has another URL than it had.
func enabledEndpoints(t *testing.T, f *fixture) {
	ctx := t.Context()
	was := chatbell.Endpoint{ID: "main", URL: "https://x"}
	moved := chatbell.Endpoint{ID: "main", URL: "https://y"}
	for _, x := range []struct {
		what string
		do   func() (bool, error)
		want bool
	}{
		{"the same URL", func() (bool, error) { return f.EnableChangedEndpoint(ctx, acme, was) }, false},
		{"another network", func() (bool, error) { return f.EnableEndpoint(ctx, "globex", "main") }, false},
		{"another URL", func() (bool, error) { return f.EnableChangedEndpoint(ctx, acme, moved) }, true},
		{"by name", func() (bool, error) { return f.EnableEndpoint(ctx, acme, "main") }, true},
	} {
		f.must(f.DisableEndpoint(ctx, acme, was, chatbell.EndpointDisabled))
		if off, err := f.DisabledEndpoints(ctx); err != nil || off[acme]["main"] == "" {
			t.Errorf("%s: not disabled: %v", x.what, err)
		}
		did, err := x.do()
		f.must(err)
		f.equal(x.what, did, x.want)
		off, err := f.DisabledEndpoints(ctx)
		f.must(err)
		f.equal("disabled after "+x.what, off[acme]["main"] != "", !x.want)
	}
	if did, err := f.EnableEndpoint(ctx, acme, "main"); err != nil || did {
		t.Errorf("enabling what is not disabled: %t, %v", did, err)
	}
}
