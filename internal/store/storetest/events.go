package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chatbell"
)

// Each event changes what it is about, also when it comes twice.
func apply(t *testing.T, f *fixture) {
	ctx := t.Context()
	created := chatbell.Event{
		Type: chatbell.ChannelCreated, Channel: chatbell.ChannelRef{ID: "c", Name: "General", Type: "community"},
		Members: []chatbell.Person{{ID: "a", Name: "Ann", Locale: "de", Roles: []string{"mod"}}, {ID: "b"}},
	}
	for _, step := range []struct {
		what    string
		event   chatbell.Event
		members []string
	}{
		{"created", created, []string{"a", "b"}},
		{"joined", inChannel(chatbell.ChannelJoined, "c", "d", "a"), []string{"a", "b", "d"}},
		{"left", inChannel(chatbell.ChannelLeft, "c", "b", "nobody"), []string{"a", "d"}},
		{"joined again", inChannel(chatbell.ChannelJoined, "c", "b"), []string{"a", "b", "d"}},
		{"user deleted", chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "d"}}, []string{"a", "b"}},
		{"channel deleted", chatbell.Event{Type: chatbell.ChannelDeleted, Channel: chatbell.ChannelRef{ID: "c"}}, []string{}},
		{"created again", inChannel(chatbell.ChannelCreated, "c", "b"), []string{"b"}},
	} {
		f.event(step.event)
		f.equal("the members after "+step.what, f.memberIDs("c"), step.members)
		f.at(f.seq, step.event)
		f.equal("the members after the repeat of "+step.what, f.memberIDs("c"), step.members)
		if step.what == "joined" {
			list, err := f.Members(ctx, acme, "c", "", 1)
			f.must(err)
			f.equal("what an event without names erased", list, []chatbell.Member{{User: chatbell.User{ID: "a", Name: "Ann", Locale: "de"}, ChannelRoles: []string{"mod"}}})
		}
	}

	f.event(chatbell.Event{Type: chatbell.ChannelUpdated, Channel: chatbell.ChannelRef{ID: "c", Name: "Renamed"}})
	f.event(chatbell.Event{Type: chatbell.ChannelUpdated, Channel: chatbell.ChannelRef{ID: "c", Type: "live"}})
	c, err := f.Channel(ctx, acme, "c")
	f.must(err)
	f.equal("the updated channel", c, chatbell.Channel{ID: "c", Name: "Renamed", Type: "live", NotificationMode: chatbell.ModeDefault})

	f.event(chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "b", Name: "Bob", Timezone: "Asia/Tokyo", Roles: []string{"vip"}}})
	f.event(chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "b", Locale: "ja"}})
	u, err := f.User(ctx, acme, "b")
	f.must(err)
	f.equal("the updated user", u, chatbell.User{ID: "b", Name: "Bob", Locale: "ja", Timezone: "Asia/Tokyo", Roles: []string{"vip"}})

	f.event(chatbell.Event{Type: chatbell.MessageCreated, Channel: chatbell.ChannelRef{ID: "unknown"}, Message: &chatbell.Message{ID: "m"}})
	_, err = f.Channel(ctx, acme, "unknown")
	f.notFound("a channel that only a message has named", err)
}

// An event that comes after a newer one changes nothing of what the newer one wrote.
func applyLate(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.at(10, inChannel(chatbell.ChannelLeft, "c", "a")) // of a member whom nobody knew
	f.at(5, inChannel(chatbell.ChannelJoined, "c", "a", "b"))
	f.equal("the members", f.memberIDs("c"), []string{"b"})
	f.at(11, chatbell.Event{Type: chatbell.ChannelDeleted, Channel: chatbell.ChannelRef{ID: "c"}})
	f.at(9, chatbell.Event{Type: chatbell.ChannelUpdated, Channel: chatbell.ChannelRef{ID: "c", Name: "Old"}})
	_, err := f.Channel(ctx, acme, "c")
	f.notFound("a deleted channel after an older update", err)
	f.at(20, chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "u", Name: "New"}})
	f.at(19, chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "u"}})
	f.at(18, chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "u", Name: "Old", Locale: "de"}})
	u, err := f.User(ctx, acme, "u")
	f.must(err)
	f.equal("the user", u, chatbell.User{ID: "u", Name: "New"})
}

// What the API writes is newer than every event accepted before, and older than every
// event accepted after.
func applyAndAPI(t *testing.T, f *fixture) {
	f.seq = 10 // accepted; 1 to 10 are not matched yet
	f.must(f.PutMember(t.Context(), acme, "c", chatbell.Member{User: chatbell.User{ID: "a", Name: "Api"}}))
	f.must(f.PutMember(t.Context(), acme, "c", chatbell.Member{User: chatbell.User{ID: "b"}}))
	f.must(f.DeleteMember(t.Context(), acme, "c", "b"))
	f.at(5, inChannel(chatbell.ChannelLeft, "c", "a"))
	f.at(6, inChannel(chatbell.ChannelJoined, "c", "b"))
	f.at(7, chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "a", Name: "Event"}})
	f.equal("the members", f.memberIDs("c"), []string{"a"})
	if u, err := f.User(t.Context(), acme, "a"); err != nil || u.Name != "Api" {
		t.Errorf("the user is %+v, %v", u, err)
	}
	f.must(f.DeleteUser(t.Context(), acme, "a"))
	f.register(device("d", "a", "t")) // of a new life
	f.at(8, chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "a"}})
	if _, err := f.Device(t.Context(), acme, "d"); err != nil {
		t.Errorf("an older deletion took the new device: %v", err)
	}
	f.at(11, inChannel(chatbell.ChannelJoined, "c", "a", "b"))
	f.equal("the members after a newer event", f.memberIDs("c"), []string{"a", "b"})
}

// callsAndEvents: each call that writes is newer than the events accepted before it,
// also where they are about what nobody knew yet, and older than those after it.
func callsAndEvents(t *testing.T, f *fixture) {
	ctx := t.Context()
	channel := func(t chatbell.EventType, name string) chatbell.Event {
		return chatbell.Event{Type: t, Channel: chatbell.ChannelRef{ID: "c", Name: name}}
	}
	user := func(p chatbell.Person) chatbell.Event { return chatbell.Event{Type: chatbell.UserUpdated, User: &p} }
	for what, x := range map[string]struct {
		call         func(f *fixture) error // at 10
		older, newer []chatbell.Event       // 9 and 11
		check        func(f *fixture) any
		want, then   any
	}{
		"PutUser": {
			func(f *fixture) error { return f.PutUser(ctx, acme, chatbell.User{ID: "a", Name: "Api"}) },
			[]chatbell.Event{user(chatbell.Person{ID: "a", Name: "Old", Locale: "de", Roles: []string{"old"}}), {Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "a"}}},
			[]chatbell.Event{user(chatbell.Person{ID: "a", Locale: "ja"})},
			func(f *fixture) any { u, _ := f.User(ctx, acme, "a"); return u },
			chatbell.User{ID: "a", Name: "Api"}, chatbell.User{ID: "a", Name: "Api", Locale: "ja"},
		},
		"PutChannel": {
			func(f *fixture) error {
				return f.PutChannel(ctx, acme, chatbell.Channel{ID: "c", NotificationMode: chatbell.ModeSilent})
			},
			[]chatbell.Event{channel(chatbell.ChannelUpdated, "Old"), channel(chatbell.ChannelDeleted, "")},
			[]chatbell.Event{channel(chatbell.ChannelUpdated, "New")},
			func(f *fixture) any { c, _ := f.Channel(ctx, acme, "c"); return c },
			chatbell.Channel{ID: "c", NotificationMode: chatbell.ModeSilent}, chatbell.Channel{ID: "c", Name: "New", NotificationMode: chatbell.ModeSilent},
		},
		"PutMember": {
			func(f *fixture) error {
				return f.PutMember(ctx, acme, "c", chatbell.Member{User: chatbell.User{ID: "a"}})
			},
			[]chatbell.Event{inChannel(chatbell.ChannelLeft, "c", "a"), channel(chatbell.ChannelDeleted, "")},
			[]chatbell.Event{inChannel(chatbell.ChannelLeft, "c", "a")},
			func(f *fixture) any { return f.memberIDs("c") },
			[]string{"a"}, []string{},
		},
		"ReplaceMembers": {
			func(f *fixture) error { return second(f.ReplaceMembers(ctx, acme, "c", sequence([]string{"a"}, nil))) },
			[]chatbell.Event{inChannel(chatbell.ChannelJoined, "c", "z"), inChannel(chatbell.ChannelLeft, "c", "a")},
			[]chatbell.Event{inChannel(chatbell.ChannelJoined, "c", "z"), inChannel(chatbell.ChannelLeft, "c", "a")},
			func(f *fixture) any { return f.memberIDs("c") },
			[]string{"a"}, []string{"z"},
		},
		"DeleteChannel": {
			func(f *fixture) error {
				return errors.Join(f.PutChannel(ctx, acme, chatbell.Channel{ID: "c"}), f.DeleteChannel(ctx, acme, "c"))
			},
			[]chatbell.Event{inChannel(chatbell.ChannelCreated, "c", "z")},
			[]chatbell.Event{inChannel(chatbell.ChannelJoined, "c", "z")},
			func(f *fixture) any { return f.memberIDs("c") },
			[]string{}, []string{"z"},
		},
		"DeleteUser": {
			func(f *fixture) error {
				return errors.Join(f.PutUser(ctx, acme, chatbell.User{ID: "z"}), f.DeleteUser(ctx, acme, "z"))
			},
			[]chatbell.Event{user(chatbell.Person{ID: "z", Name: "Old"}), inChannel(chatbell.ChannelJoined, "c", "z")},
			[]chatbell.Event{inChannel(chatbell.ChannelJoined, "c", "z")},
			func(f *fixture) any { u, _ := f.User(ctx, acme, "z"); return fmt.Sprint(u.Name, f.memberIDs("c")) },
			"[]", "[z]",
		},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t, f.open)
			f.seq = 10
			f.must(x.call(f))
			for _, e := range x.older {
				f.at(9, e)
				f.equal("after the older "+string(e.Type), x.check(f), x.want)
			}
			for _, e := range x.newer {
				f.at(11, e)
			}
			f.equal("after the newer events", x.check(f), x.then)
		})
	}
}

// nothingErased: an event's empty fields leave what is known, of channels, of users
// and of members.
func nothingErased(t *testing.T, f *fixture) {
	f.event(chatbell.Event{
		Type: chatbell.ChannelCreated, Channel: chatbell.ChannelRef{ID: "c", Name: "General", Type: "live"},
		Members: []chatbell.Person{{ID: "a", Name: "Ann", Locale: "de", Timezone: "Europe/Berlin", Roles: []string{"mod"}}},
	})
	f.event(chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "a", Roles: []string{"vip"}}})
	before := f.picture(acme)
	for _, e := range []chatbell.Event{
		inChannel(chatbell.ChannelCreated, "c", "a"), inChannel(chatbell.ChannelJoined, "c", "a"), inChannel(chatbell.ChannelUpdated, "c"),
		{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "a"}}, inChannel(chatbell.ChannelJoined, "c"), inChannel(chatbell.ChannelLeft, "c", "b"),
		{Type: chatbell.MessageCreated, Channel: chatbell.ChannelRef{ID: "c", Name: "Other"}, Actor: chatbell.Person{ID: "a", Name: "Other"}, Message: &chatbell.Message{ID: "m"}},
		{Type: chatbell.ChannelRead, Channel: chatbell.ChannelRef{ID: "c"}, User: &chatbell.Person{ID: "a", Name: "Other"}},
		{Type: "custom.type", Channel: chatbell.ChannelRef{ID: "c2", Name: "Other"}, User: &chatbell.Person{ID: "u"}, Members: people("u")},
	} {
		f.event(e)
		f.same("after "+string(e.Type), f.picture(acme), before)
	}
	f.event(inChannel(chatbell.ChannelLeft, "c", "a"))
	f.event(inChannel(chatbell.ChannelJoined, "c", "a"))
	list, err := f.Members(t.Context(), acme, "c", "", 10)
	f.must(err)
	f.equal("who left and came back: no roles of then", list, []chatbell.Member{{
		User: chatbell.User{ID: "a", Name: "Ann", Locale: "de", Timezone: "Europe/Berlin", Roles: []string{"vip"}},
	}})
}

// property: whatever the order in which events of a channel's life come, and however
// often, the members are those that the order of their sequences gives.
func property(t *testing.T, f *fixture) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		channel := fmt.Sprint("c", run)
		types := rapid.SampledFrom([]chatbell.EventType{chatbell.ChannelJoined, chatbell.ChannelLeft, chatbell.ChannelJoined})
		people := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		events := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) chatbell.Event {
			return inChannel(types.Draw(rt, "type"), channel, rapid.SliceOfNDistinct(people, 1, 3, rapid.ID).Draw(rt, "who")...)
		}), 1, 8).Draw(rt, "events")
		model := map[string]bool{}
		order := make([]int, 0, 2*len(events))
		for i, e := range events {
			for _, p := range e.Members {
				model[string(p.ID)] = e.Type == chatbell.ChannelJoined
			}
			order = append(order, i)
			if rapid.Bool().Draw(rt, "twice") {
				order = append(order, i)
			}
		}
		order = rapid.Permutation(order).Draw(rt, "order")
		for _, i := range order {
			if err := f.Apply(t.Context(), uint64(i+1), &chatbell.Envelope{Network: acme, Event: events[i]}); err != nil {
				rt.Fatal(err)
			}
		}
		want := slices.Sorted(maps.Keys(model))
		want = slices.DeleteFunc(want, func(id string) bool { return !model[id] })
		if got := f.memberIDs(channel); !slices.Equal(got, want) {
			rt.Fatalf("the members are %v, want %v", got, want)
		}
	})
}
