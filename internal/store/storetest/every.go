package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

// call is one call of one method.
type call struct {
	method string
	do     func() error
}

// calls calls every method, in an order in which each finds what it is about. All that
// is named is the network's.
func (f *fixture) calls(ctx context.Context, n chatbell.NetworkID) []call {
	off := chatbell.Toggles{Enabled: new(false)}
	id := string(n)
	return []call{
		{"CreateNetwork", func() error {
			return f.CreateNetwork(ctx, n, chatbell.Key{ID: "k", Network: n, Scope: chatbell.ScopeServer, Hash: []byte(id)})
		}},
		{"Networks", func() error { return second(f.Networks(ctx)) }},
		{"Keys", func() error { return second(f.Keys(ctx)) }},
		{"PutUser", func() error { return f.PutUser(ctx, n, chatbell.User{ID: "a", Name: id}) }},
		{"User", func() error { return second(f.User(ctx, n, "a")) }},
		{"PutChannel", func() error { return f.PutChannel(ctx, n, chatbell.Channel{ID: "c", Name: id}) }},
		{"Channel", func() error { return second(f.Channel(ctx, n, "c")) }},
		{"PutMember", func() error {
			return f.PutMember(ctx, n, "c", chatbell.Member{User: chatbell.User{ID: "b", Name: id}, ChannelRoles: []string{id}})
		}},
		{"ReplaceMembers", func() error { return second(f.ReplaceMembers(ctx, n, "c", sequence([]string{"a", id}, nil))) }},
		{"Members", func() error { return second(f.Members(ctx, n, "c", "", 10)) }},
		{"PutNetworkSettings", func() error { return f.PutNetworkSettings(ctx, n, off) }},
		{"NetworkSettings", func() error { return second(f.NetworkSettings(ctx, n)) }},
		{"PutUserSettings", func() error { return f.PutUserSettings(ctx, n, "a", chatbell.UserSettings{Toggles: off}) }},
		{"UserSettings", func() error { return second(f.UserSettings(ctx, n, "a")) }},
		{"PutChannelSettings", func() error { return f.PutChannelSettings(ctx, n, "a", "c", chatbell.ChannelSettings{Toggles: off}) }},
		{"ChannelSettings", func() error { return second(f.ChannelSettings(ctx, n, "a", "c")) }},
		{"RegisterDevice", func() error { return second(f.RegisterDevice(ctx, n, device("d", "a", "t"))) }},
		{"Device", func() error { return second(f.Device(ctx, n, "d")) }},
		{"Devices", func() error { return second(f.Devices(ctx, n, store.DeviceFilter{Limit: 10})) }},
		{"CheckDevices", func() error { return second(f.CheckDevices(ctx, n, []chatbell.DeviceID{"d"})) }},
		{"RegisterWithTopics", func() error { return second(f.RegisterWithTopics(ctx, n, registration("", "a", "t", "x"))) }},
		{"ChangeDevices", func() error {
			return f.ChangeDevices(ctx, n, store.DeviceChoice{IDs: []chatbell.DeviceID{"d"}}, store.DeviceChange{Locale: new("de")})
		}},
		{"ChosenDevices", func() error {
			return second(f.ChosenDevices(ctx, n, store.DevicePage{Choice: store.DeviceChoice{Topics: []string{"x"}}, Limit: 10, Topics: true}))
		}},
		{"CountDevices", func() error { return second(f.CountDevices(ctx, n, store.DeviceChoice{})) }},
		{"ChangeDeviceTopics", func() error {
			return f.ChangeDeviceTopics(ctx, n, "d", "", store.TopicChange{Op: store.TopicAdd, Topics: []string{"y"}})
		}},
		{"DeviceTopics", func() error { return second(f.DeviceTopics(ctx, n, store.TopicPage{Limit: 10})) }},
		{"CountDeviceTopics", func() error { return second(f.CountDeviceTopics(ctx, n, store.TopicChoice{})) }},
		{"ChangeUserTopics", func() error {
			return f.ChangeUserTopics(ctx, n, "a", store.TopicChange{Op: store.TopicSet, Topics: []string{"z"}})
		}},
		{"UserTopics", func() error { return second(f.UserTopics(ctx, n, store.TopicPage{Limit: 10})) }},
		{"CountUserTopics", func() error { return second(f.CountUserTopics(ctx, n, store.TopicChoice{})) }},
		{"RemoveDevices", func() error { return f.RemoveDevices(ctx, n, store.DeviceChoice{Users: []chatbell.UserID{"nobody"}}) }},
		{"PutScheduled", func() error { return f.PutScheduled(ctx, scheduled(n, "1", time.UnixMilli(5))) }},
		{"NextScheduled", func() error { return second(f.NextScheduled(ctx)) }},
		{"CancelScheduled", func() error { return second(f.CancelScheduled(ctx, n, "push", "2")) }},
		{"ClaimScheduled", func() error { return second(f.ClaimScheduled(ctx, time.UnixMilli(5), 10)) }},
		{"PostponeScheduled", func() error { return f.PostponeScheduled(ctx, n, "push", "1", time.UnixMilli(6)) }},
		{"ScheduledDone", func() error { return f.ScheduledDone(ctx, n, "push", "1") }},
		{"DisableDevice", func() error { return second(f.DisableDevice(ctx, n, "d", "t", time.Time{}, chatbell.InvalidToken)) }},
		{"EnableDevice", func() error { return second(f.EnableDevice(ctx, n, "d", "t")) }},
		{"RegisterOwnDevice", func() error { return second(f.RegisterOwnDevice(ctx, n, device("d", "a", "t"))) }},
		{"RemoveDeadDevice", func() error { return second(f.RemoveDeadDevice(ctx, n, "d", "t", time.Time{})) }},
		{"DeleteDevice", func() error { return second(f.DeleteDevice(ctx, n, "d", "")) }},
		{"DisableEndpoint", func() error {
			return f.DisableEndpoint(ctx, n, chatbell.Endpoint{ID: "main", URL: "https://x"}, chatbell.EndpointDisabled)
		}},
		{"EnableChangedEndpoint", func() error {
			return second(f.EnableChangedEndpoint(ctx, n, chatbell.Endpoint{ID: "main", URL: "https://y"}))
		}},
		{"EnableEndpoint", func() error { return second(f.EnableEndpoint(ctx, n, "main")) }},
		{"DisabledEndpoints", func() error { return second(f.DisabledEndpoints(ctx)) }},
		{"Apply", func() error {
			for i, e := range everyEvent("c", "a", "b") {
				if err := f.Apply(ctx, f.seq+uint64(i)+1, &chatbell.Envelope{Network: n, Event: e}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Audience", func() error {
			return second(f.Audience(ctx, chatbell.AudienceQuery{Network: n, Channel: "c", Limit: 10}))
		}},
		{"Recipients", func() error { return second(f.Recipients(ctx, n, "c", []chatbell.UserID{"a"})) }},
		{"DeleteMember", func() error { return f.DeleteMember(ctx, n, "c", "a") }},
		{"DeleteUser", func() error { return f.DeleteUser(ctx, n, "a") }},
		{"DeleteChannel", func() error { return f.DeleteChannel(ctx, n, "c") }},
		{"PutWaiting", func() error { return second(f.PutWaiting(ctx, []store.Waiting{waitingRow(id, "d", 0)})) }},
		{"Waiting", func() error { return second(f.Waiting(ctx, store.WaitingQuery{Destination: "d", Limit: 10})) }},
		{"Backlogs", func() error { return second(f.Backlogs(ctx)) }},
		{"SettleWaiting", func() error {
			return f.SettleWaiting(ctx, store.Settled{Done: []int64{1}, New: []store.Waiting{waitingRow(id+"2", "d", 0)}})
		}},
		{"PutCheckpoint", func() error { return f.PutCheckpoint(ctx, id, []byte(id)) }},
		{"Checkpoint", func() error { return second(f.Checkpoint(ctx, id)) }},
		{"DeleteCheckpoint", func() error { return f.DeleteCheckpoint(ctx, id) }},
		{"PutRecorderCursor", func() error { return f.PutRecorderCursor(ctx, store.Cursor{Done: 1, Through: 2}) }},
		{"RecorderCursor", func() error { return second(f.RecorderCursor(ctx)) }},
		{"PutMeta", func() error { return f.PutMeta(ctx, id, id) }},
		{"NewestSequence", func() error { return second(f.NewestSequence(ctx)) }},
		{"Meta", func() error { return second(f.Meta(ctx, id)) }},
	}
}

func second[T any](_ T, err error) error { return err }

// everyEvent is one event of each type that changes the state; who is in the channel
// at the end is its first person.
func everyEvent(channel, first, other string) []chatbell.Event {
	named := chatbell.ChannelRef{ID: chatbell.ChannelID(channel), Name: "Event", Type: "live"}
	return []chatbell.Event{
		{Type: chatbell.ChannelDeleted, Channel: chatbell.ChannelRef{ID: named.ID}},
		inChannel(chatbell.ChannelCreated, channel, other),
		{Type: chatbell.ChannelUpdated, Channel: named},
		{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: chatbell.UserID(first)}},
		{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: chatbell.UserID(other), Name: "Event"}},
		inChannel(chatbell.ChannelJoined, channel, first, other),
		inChannel(chatbell.ChannelLeft, channel, other),
	}
}

// everyMethod: the calls above are of all methods, so that a new method cannot be
// forgotten in the tests that go through them; and each of them works.
func everyMethod(t *testing.T, f *fixture) {
	called := []string{"Close"} // by every test
	for _, c := range f.calls(t.Context(), acme) {
		called = append(called, c.method)
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.method, err)
		}
	}
	for m := range reflect.TypeFor[Store]().Methods() {
		if !slices.Contains(called, m.Name) {
			t.Errorf("no call of %s: put it into calls", m.Name)
		}
	}
}

// cancelled: a caller that has given up gets its error and changes nothing, and the
// store goes on.
func cancelled(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := f.picture(acme)
	for _, c := range f.calls(ctx, acme) {
		if c.method == "NetworkSettings" || c.method == "DisabledEndpoints" {
			continue // may be in memory
		}
		if err := c.do(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s for a caller that has given up: %v", c.method, err)
		}
	}
	f.same("after calls of nobody", f.picture(acme), before)
	f.must(f.PutMeta(t.Context(), "k", "v"))
}

// closed: after Close every call says that it cannot be done, and none hangs.
func closed(t *testing.T, f *fixture) {
	f.must(f.Close())
	for _, c := range f.calls(t.Context(), acme) {
		if err := c.do(); err == nil || errors.Is(err, chatbell.ErrNotFound) {
			t.Errorf("%s after Close: %v", c.method, err)
		}
	}
	f.reopen()
}

// isolation: whatever is done for a network, with the same ids, nothing of another is
// seen or changed.
func isolation(t *testing.T, f *fixture) {
	const globex chatbell.NetworkID = "globex"
	empty := f.picture(globex)
	f.populate(acme)
	f.same("the other network", f.picture(globex), empty)
	before := f.picture(acme)
	for _, c := range f.calls(t.Context(), globex) {
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.method, err)
		}
		f.same("our network after the other's "+c.method, f.picture(acme), before)
	}
	for what, change := range map[string]func() (bool, error){
		"DeleteDevice":     func() (bool, error) { return f.DeleteDevice(t.Context(), globex, "d", "") },
		"RemoveDeadDevice": func() (bool, error) { return f.RemoveDeadDevice(t.Context(), globex, "d", "t", time.Time{}) },
		"DisableDevice": func() (bool, error) {
			return f.DisableDevice(t.Context(), globex, "d", "t", time.Time{}, chatbell.InvalidToken)
		},
		"EnableEndpoint": func() (bool, error) { return f.EnableEndpoint(t.Context(), globex, "main") },
		"EnableDevice":   func() (bool, error) { return f.EnableDevice(t.Context(), globex, "off", "t2") },
	} {
		acted, err := change()
		f.must(err)
		f.equal(what+" of a device of ours", acted, false)
	}
	f.notFound("DeleteMember of a member of ours", f.DeleteMember(t.Context(), globex, "c2", "a"))
	f.notFound("DeleteChannel of a channel of ours", f.DeleteChannel(t.Context(), globex, "c2"))
	f.same("our network at the end", f.picture(acme), before)
}

// populate puts something of everything that a network has.
func (f *fixture) populate(n chatbell.NetworkID) {
	f.Helper()
	ctx := f.Context()
	f.seq++
	f.must(f.Apply(ctx, f.seq, &chatbell.Envelope{Network: n, Event: inChannel(chatbell.ChannelCreated, "c", "a", "b", "left")}))
	f.seq++
	f.must(f.Apply(ctx, f.seq, &chatbell.Envelope{Network: n, Event: inChannel(chatbell.ChannelLeft, "c", "left")}))
	f.must(f.PutChannel(ctx, n, chatbell.Channel{ID: "c2", Name: "Second", Type: "live", NotificationMode: chatbell.ModeSilent}))
	f.must(f.PutMember(ctx, n, "c2", chatbell.Member{User: chatbell.User{ID: "a"}, ChannelRoles: []string{"mod"}}))
	f.must(f.PutUser(ctx, n, chatbell.User{ID: "a", Name: "Ann", Locale: "de", Timezone: "Europe/Berlin", Roles: []string{"vip"}}))
	for _, d := range []chatbell.Device{device("d", "a", "t"), device("off", "a", "t2"), device("d9", "b", "t9")} {
		f.must(second(f.RegisterDevice(ctx, n, d)))
	}
	f.must(second(f.DisableDevice(ctx, n, "off", "t2", time.Time{}, chatbell.InvalidToken)))
	f.must(f.ChangeUserTopics(ctx, n, "a", store.TopicChange{Op: store.TopicSet, Topics: []string{"z"}}))
	toggles := chatbell.Toggles{Enabled: new(true), Events: []chatbell.EventToggle{{Name: chatbell.MessageCreated, Enabled: new(false)}}}
	f.must(f.PutNetworkSettings(ctx, n, toggles))
	f.must(f.PutUserSettings(ctx, n, "a", chatbell.UserSettings{Toggles: toggles}))
	f.must(f.PutChannelSettings(ctx, n, "a", "c", chatbell.ChannelSettings{MentionsOnly: true}))
	f.must(f.DisableEndpoint(ctx, n, chatbell.Endpoint{ID: "main", URL: "https://x"}, chatbell.EndpointDisabled))
}

// picture is all that can be read of a network, as far as it is about the people and
// channels of these tests.
func (f *fixture) picture(n chatbell.NetworkID) map[string]any {
	f.Helper()
	out := map[string]any{}
	note := func(what string, v any, err error) {
		f.Helper()
		if errors.Is(err, chatbell.ErrNotFound) {
			v = "not found"
		} else {
			f.must(err)
		}
		out[what] = v
	}
	ctx, people := f.Context(), []chatbell.UserID{"a", "b", "left", "u"}
	for _, c := range []chatbell.ChannelID{"c", "c2"} {
		v, err := f.Channel(ctx, n, c)
		note(fmt.Sprint("channel ", c), v, err)
		m, err := f.Members(ctx, n, c, "", 100)
		note(fmt.Sprint("members of ", c), m, err)
		for before := range uint64(4) {
			a, err := f.Audience(ctx, chatbell.AudienceQuery{Network: n, Channel: c, Limit: 100, JoinedBefore: before})
			note(fmt.Sprintf("audience of %s before %d", c, before), a, err)
		}
		r, err := f.Recipients(ctx, n, c, people)
		note(fmt.Sprint("people in ", c), r, err)
		for _, p := range people {
			s, err := f.ChannelSettings(ctx, n, p, c)
			note(fmt.Sprintf("settings of %s in %s", p, c), s, err)
		}
	}
	for _, p := range people {
		u, err := f.User(ctx, n, p)
		note(fmt.Sprint("user ", p), u, err)
		s, err := f.UserSettings(ctx, n, p)
		note(fmt.Sprint("settings of ", p), s, err)
	}
	d, err := f.Devices(ctx, n, store.DeviceFilter{Limit: 100})
	note("devices", d, err)
	w, err := f.ChosenDevices(ctx, n, store.DevicePage{Limit: 100, Topics: true})
	note("devices with topics", w, err)
	u, err := f.UserTopics(ctx, n, store.TopicPage{Limit: 100})
	note("topics of users", u, err)
	s, err := f.NetworkSettings(ctx, n)
	note("settings", s, err)
	e, err := f.DisabledEndpoints(ctx)
	note("disabled endpoints", e[n], err)
	return out
}

// same compares pictures and names what differs.
func (f *fixture) same(when string, got, want map[string]any) {
	f.Helper()
	for what := range want {
		f.equal(what+", "+when, got[what], want[what])
	}
}
