package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chatbell"
)

// late: an older event that comes after a newer one leads to the same as both in
// their order, and no repeat of either changes anything.
func late(t *testing.T, f *fixture) {
	about := func(t chatbell.EventType, name string) chatbell.Event {
		return chatbell.Event{Type: t, Channel: chatbell.ChannelRef{ID: "c", Name: name}}
	}
	user := func(t chatbell.EventType, name string) chatbell.Event {
		return chatbell.Event{Type: t, User: &chatbell.Person{ID: "a", Name: name}}
	}
	joined, left := inChannel(chatbell.ChannelJoined, "c", "a"), inChannel(chatbell.ChannelLeft, "c", "a")
	created, createdNamed := inChannel(chatbell.ChannelCreated, "c", "a"), about(chatbell.ChannelCreated, "Old")
	for _, x := range []struct {
		what         string
		first        []chatbell.Event // 1, 2, …
		newer, older chatbell.Event   // 20 and 10
	}{
		{"joined after left", []chatbell.Event{joined}, left, joined},
		{"joined after left, of a person nobody knew", nil, left, joined},
		{"created after left", nil, left, created},
		{"left after joined", nil, joined, left},
		{"created after deleted", []chatbell.Event{created}, about(chatbell.ChannelDeleted, ""), created},
		{"created after deleted, of a channel nobody knew", nil, about(chatbell.ChannelDeleted, ""), created},
		{"joined after deleted, of a person nobody knew", []chatbell.Event{inChannel(chatbell.ChannelCreated, "c", "b")}, about(chatbell.ChannelDeleted, ""), joined},
		{"left after deleted", []chatbell.Event{created}, about(chatbell.ChannelDeleted, ""), left},
		{"deleted after created", nil, created, about(chatbell.ChannelDeleted, "")},
		{"updated after updated", []chatbell.Event{created}, about(chatbell.ChannelUpdated, "New"), about(chatbell.ChannelUpdated, "Old")},
		{"created after updated", nil, about(chatbell.ChannelUpdated, "New"), createdNamed},
		{"updated after deleted", []chatbell.Event{created}, about(chatbell.ChannelDeleted, ""), about(chatbell.ChannelUpdated, "Old")},
		{"user updated after user updated", nil, user(chatbell.UserUpdated, "New"), user(chatbell.UserUpdated, "Old")},
		{"user updated after user deleted", []chatbell.Event{joined}, user(chatbell.UserDeleted, ""), user(chatbell.UserUpdated, "Old")},
		{"user deleted after user updated", nil, user(chatbell.UserUpdated, "New"), user(chatbell.UserDeleted, "")},
		{"joined after user deleted", []chatbell.Event{joined}, user(chatbell.UserDeleted, ""), joined},
		{"joined after user deleted, of a person nobody knew", nil, user(chatbell.UserDeleted, ""), joined},
		{"joined elsewhere after user deleted", []chatbell.Event{joined}, user(chatbell.UserDeleted, ""), inChannel(chatbell.ChannelJoined, "c2", "a")},
	} {
		t.Run(x.what, func(t *testing.T) {
			pictures := map[string]map[string]any{}
			for _, order := range []string{"in order", "late", "late and repeated"} {
				f := newFixture(t, f.open)
				for i, e := range x.first {
					f.at(uint64(i+1), e)
				}
				if order == "in order" {
					f.at(10, x.older)
				}
				f.at(20, x.newer)
				if order != "in order" {
					f.at(10, x.older)
				}
				if order == "late and repeated" {
					f.at(20, x.newer)
					f.at(10, x.older)
				}
				pictures[order] = f.picture(acme)
			}
			f := newFixture(t, f.open)
			f.same("late", pictures["late"], pictures["in order"])
			f.same("late and repeated", pictures["late and repeated"], pictures["in order"])
		})
	}
}

// repeated: an event that comes again takes nothing that was made after it.
func repeated(t *testing.T, f *fixture) {
	for _, e := range everyEvent("c", "a", "b") {
		t.Run(string(e.Type), func(t *testing.T) {
			f := newFixture(t, f.open)
			f.seq = 5
			f.populate(acme)
			f.event(e)
			before := f.picture(acme)
			f.at(f.seq, e)
			f.same("after the repeat", f.picture(acme), before)
			f.populate(acme) // a new life
			before = f.picture(acme)
			f.at(8, e)
			f.same("after the repeat in a new life", f.picture(acme), before)
		})
	}
}

// newLife: a deletion that comes again leaves the settings that a person has made
// since, before anything else was said of them.
func newLife(t *testing.T, f *fixture) {
	f.populate(acme)
	gone := chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "a"}}
	f.event(gone)
	s, here := chatbell.UserSettings{Toggles: chatbell.Toggles{Enabled: new(false)}}, chatbell.ChannelSettings{MentionsOnly: true}
	f.must(f.PutUserSettings(t.Context(), acme, "a", s))
	f.must(f.PutChannelSettings(t.Context(), acme, "a", "c", here))
	f.register(device("new", "a", "t-new"))
	before := f.picture(acme)
	f.at(f.seq, gone)
	f.same("after the repeated deletion", f.picture(acme), before)
}

// apiAheadOfSequence: an event may be matched before the newest sequence is known
// here; what a call deletes is deleted all the same.
func apiAheadOfSequence(t *testing.T, f *fixture) {
	f.seq = 10
	f.at(11, inChannel(chatbell.ChannelCreated, "c", "a", "b"))
	f.at(12, chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "a", Name: "Ann"}})
	f.at(13, chatbell.Event{Type: chatbell.ChannelUpdated, Channel: chatbell.ChannelRef{ID: "c", Name: "General"}})
	f.must(f.PutUserSettings(t.Context(), acme, "a", chatbell.UserSettings{Toggles: chatbell.Toggles{Enabled: new(false)}}))
	f.must(f.DeleteUser(t.Context(), acme, "a"))
	_, err := f.User(t.Context(), acme, "a")
	f.notFound("the deleted user", err)
	s, err := f.UserSettings(t.Context(), acme, "a")
	f.must(err)
	f.equal("the deleted user's settings", s, chatbell.UserSettings{})
	f.equal("the members without the deleted user", f.memberIDs("c"), []string{"b"})
	f.must(f.DeleteChannel(t.Context(), acme, "c"))
	_, err = f.Channel(t.Context(), acme, "c")
	f.notFound("the deleted channel", err)
	f.equal("the members of the deleted channel", f.memberIDs("c"), []string{})
	f.at(14, inChannel(chatbell.ChannelJoined, "c", "a", "b"))
	f.equal("the members after a newer event", f.memberIDs("c"), []string{"a", "b"})
}

// newestSequence: whatever a row keeps, the store knows of, also when it is opened again.
func newestSequence(t *testing.T, f *fixture) {
	newest := func(what string, want uint64) {
		t.Helper()
		for range 2 {
			got, err := f.NewestSequence(t.Context())
			f.must(err)
			f.equal("the newest sequence "+what, got, want)
			f.must(f.Close())
			f.reopen()
		}
	}
	newest("of a new store", 0)
	f.at(7, inChannel(chatbell.ChannelLeft, "c", "a"))
	newest("after an event", 7)
	f.at(5, inChannel(chatbell.ChannelJoined, "c", "b"))
	newest("after an older event", 7)
	f.seq = 10
	f.must(f.PutUser(t.Context(), acme, chatbell.User{ID: "a"}))
	newest("after a call", 10)
	f.must(f.DeleteUser(t.Context(), acme, "a"))
	newest("after a deletion", 10)
	f.seq = 12
	f.register(device("d", "a", "t"))
	newest("after a registration", 12)
	f.seq = 14
	f.must(second(f.ReplaceMembers(t.Context(), acme, "c", sequence([]string{"a"}, nil))))
	newest("after a list", 14)
}

// world is what events say, applied in the order of their sequences: the plain
// model that a store is compared with.
type world struct {
	channels map[chatbell.ChannelID]*place
	users    map[chatbell.UserID]*chatbell.User
}

type place struct {
	channel chatbell.Channel
	members map[chatbell.UserID]*membership
}

type membership struct {
	roles  []string
	joined uint64
}

func (w *world) channel(id chatbell.ChannelID) *place {
	if w.channels[id] == nil {
		w.channels[id] = &place{chatbell.Channel{ID: id, NotificationMode: chatbell.ModeDefault}, map[chatbell.UserID]*membership{}}
	}
	return w.channels[id]
}

func (w *world) learn(p chatbell.Person, roles []string) {
	if w.users[p.ID] == nil {
		w.users[p.ID] = &chatbell.User{ID: p.ID}
	}
	u := w.users[p.ID]
	u.Name, u.Locale, u.Timezone = cmp.Or(p.Name, u.Name), cmp.Or(p.Locale, u.Locale), cmp.Or(p.Timezone, u.Timezone)
	if len(roles) > 0 {
		u.Roles = roles
	}
}

func (w *world) apply(seq uint64, e *chatbell.Event) {
	switch e.Type {
	case chatbell.ChannelDeleted:
		delete(w.channels, e.Channel.ID)
	case chatbell.UserUpdated:
		w.learn(*e.User, e.User.Roles)
	case chatbell.UserDeleted:
		delete(w.users, e.User.ID)
		for _, c := range w.channels {
			delete(c.members, e.User.ID)
		}
	case chatbell.ChannelLeft:
		if c := w.channels[e.Channel.ID]; c != nil {
			for _, p := range e.Members {
				delete(c.members, p.ID)
			}
		}
	default:
		c := w.channel(e.Channel.ID)
		c.channel.Name, c.channel.Type = cmp.Or(e.Channel.Name, c.channel.Name), cmp.Or(e.Channel.Type, c.channel.Type)
		for _, p := range e.Members {
			if e.Type == chatbell.ChannelUpdated {
				break // is not about members
			}
			if c.members[p.ID] == nil {
				c.members[p.ID] = &membership{joined: seq}
			}
			if len(p.Roles) > 0 {
				c.members[p.ID].roles = p.Roles
			}
			w.learn(p, nil)
		}
	}
}

// draws are the generators of the properties.
var (
	somebody = rapid.Custom(func(rt *rapid.T) chatbell.Person {
		return chatbell.Person{
			ID: rapid.SampledFrom([]chatbell.UserID{"a", "b", "d"}).Draw(rt, "who"), Name: rapid.SampledFrom([]string{"", "N1", "N2"}).Draw(rt, "name"),
			Locale: rapid.SampledFrom([]string{"", "de", "ja"}).Draw(rt, "locale"), Timezone: rapid.SampledFrom([]string{"", "Asia/Tokyo"}).Draw(rt, "timezone"),
			Roles: rapid.SampledFrom([][]string{nil, {"r1"}, {"r2", "r3"}}).Draw(rt, "roles"),
		}
	})
	inOne = []chatbell.EventType{chatbell.ChannelJoined, chatbell.ChannelJoined, chatbell.ChannelLeft, chatbell.ChannelLeft,
		chatbell.ChannelCreated, chatbell.ChannelUpdated, chatbell.ChannelDeleted}
	ofAll = append(slices.Clone(inOne), chatbell.UserUpdated, chatbell.UserUpdated, chatbell.UserDeleted)
)

// life draws events of some types in some channels.
func life(rt *rapid.T, types []chatbell.EventType, channels ...chatbell.ChannelID) []chatbell.Event {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) chatbell.Event {
		e := chatbell.Event{Type: rapid.SampledFrom(types).Draw(rt, "type")}
		if e.Type == chatbell.UserUpdated || e.Type == chatbell.UserDeleted {
			e.User = new(somebody.Draw(rt, "user"))
			return e
		}
		e.Channel = chatbell.ChannelRef{
			ID: rapid.SampledFrom(channels).Draw(rt, "channel"), Name: rapid.SampledFrom([]string{"", "C1", "C2"}).Draw(rt, "called"),
			Type: rapid.SampledFrom([]string{"", "live"}).Draw(rt, "kind"),
		}
		e.Members = rapid.SliceOfNDistinct(somebody, 0, 3, func(p chatbell.Person) chatbell.UserID { return p.ID }).Draw(rt, "members")
		return e
	}), 1, 14).Draw(rt, "events")
}

// deliver draws the order in which events (of sequence 1, 2, …) come: those of one key
// in their order, except that the broker may go back and hand out some again; those
// of different keys anyhow.
func deliver(rt *rapid.T, events []chatbell.Event) (order []int) {
	lanes, at := map[string][]int{}, map[string]int{}
	for i := range events {
		key := (&chatbell.Envelope{Network: acme, Event: events[i]}).Key()
		lanes[key] = append(lanes[key], i)
	}
	for back := 4; len(lanes) > 0; {
		key := rapid.SampledFrom(slices.Sorted(maps.Keys(lanes))).Draw(rt, "next key")
		if back > 0 && at[key] > 0 && rapid.IntRange(0, 3).Draw(rt, "goes back") == 0 {
			back--
			at[key] = rapid.IntRange(0, at[key]-1).Draw(rt, "back to")
		}
		order = append(order, lanes[key][at[key]])
		if at[key]++; at[key] == len(lanes[key]) {
			delete(lanes, key)
		}
	}
	return order
}

// run applies events in an order to a network of their own, and in the order of their
// sequences to a new world.
func (f *fixture) run(rt *rapid.T, n chatbell.NetworkID, events []chatbell.Event, order []int) *world {
	for _, i := range order {
		if err := f.Apply(f.Context(), uint64(i+1), &chatbell.Envelope{Network: n, Event: events[i]}); err != nil {
			rt.Fatal(err)
		}
	}
	w := &world{map[chatbell.ChannelID]*place{}, map[chatbell.UserID]*chatbell.User{}}
	for i := range events {
		w.apply(uint64(i+1), &events[i])
	}
	return w
}

// channelProperty: a channel is what its events say, however often the broker hands
// them out again: its names, its members, their roles, and since when they are there.
func channelProperty(t *testing.T, f *fixture) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		n := chatbell.NetworkID(fmt.Sprint("n", run))
		events := life(rt, inOne, "c")
		w := f.run(rt, n, events, deliver(rt, events))
		got, err := f.Channel(t.Context(), n, "c")
		if want := w.channels["c"]; want == nil {
			if err == nil {
				rt.Fatalf("the channel is %+v, want none", got)
			}
		} else if err != nil || got != want.channel {
			rt.Fatalf("the channel is %+v, %v; want %+v", got, err, want.channel)
		}
		// Members of a channel that was never made, or not again, are nobody.
		members := w.channel("c").members
		for before := range uint64(len(events) + 2) {
			list, err := f.Audience(t.Context(), chatbell.AudienceQuery{Network: n, Channel: "c", Limit: 10, JoinedBefore: before})
			want := slices.DeleteFunc(slices.Sorted(maps.Keys(members)), func(id chatbell.UserID) bool { return before > 0 && members[id].joined >= before })
			if got := userIDs(list); err != nil || !slices.Equal(got, ids(want, func(id chatbell.UserID) chatbell.UserID { return id })) {
				rt.Fatalf("there before %d: %v, %v; want %v", before, got, err, want)
			}
		}
		list, err := f.Members(t.Context(), n, "c", "", 10)
		if err != nil {
			rt.Fatal(err)
		}
		for _, m := range list {
			if !slices.Equal(m.ChannelRoles, members[m.ID].roles) {
				rt.Fatalf("%s has the roles %v, want %v", m.ID, m.ChannelRoles, members[m.ID].roles)
			}
		}
	})
}

// peopleProperty: people are what the events of all channels and their own say,
// although the broker orders those of one key only.
func peopleProperty(t *testing.T, f *fixture) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		n := chatbell.NetworkID(fmt.Sprint("n", run))
		events := life(rt, ofAll, "c", "c2")
		w := f.run(rt, n, events, deliver(rt, events))
		for _, id := range []chatbell.UserID{"a", "b", "d"} {
			got, err := f.User(t.Context(), n, id)
			want, exists := w.users[id]
			if exists != (err == nil) || exists && fmt.Sprint(got) != fmt.Sprint(*want) {
				rt.Fatalf("%s is %+v, %v; want %+v", id, got, err, want)
			}
		}
		for _, c := range []chatbell.ChannelID{"c", "c2"} {
			list, err := f.Members(t.Context(), n, c, "", 10)
			want := slices.Sorted(maps.Keys(w.channel(c).members))
			if got := ids(list, func(m chatbell.Member) chatbell.UserID { return m.ID }); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("the members of %s are %v, %v; want %v", c, got, err, want)
			}
		}
	})
}
