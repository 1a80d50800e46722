package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

func (f *fixture) page(q chatbell.AudienceQuery) []chatbell.Recipient {
	f.Helper()
	q.Network, q.Channel = acme, "c"
	list, err := f.Audience(f.Context(), q)
	f.must(err)
	return list
}

func userIDs(list []chatbell.Recipient) []string {
	return ids(list, func(r chatbell.Recipient) chatbell.UserID { return r.User.ID })
}

// A page has everything that decides about a person, and their usable devices.
func audience(t *testing.T, f *fixture) {
	ctx := t.Context()
	const n = 300
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("u%03d", i))
	}
	_, err := f.ReplaceMembers(ctx, acme, "c", sequence(all, nil))
	f.must(err)
	alice := chatbell.User{ID: "u007", Name: "Alice", Locale: "de", Timezone: "Europe/Berlin", Roles: []string{"vip"}}
	f.must(f.PutUser(ctx, acme, alice))
	settings := chatbell.UserSettings{Toggles: chatbell.Toggles{Enabled: new(false)}}
	here := chatbell.ChannelSettings{MentionsOnly: true}
	f.must(f.PutUserSettings(ctx, acme, alice.ID, settings))
	f.must(f.PutChannelSettings(ctx, acme, alice.ID, "c", here))
	f.must(f.PutChannelSettings(ctx, acme, alice.ID, "elsewhere", chatbell.ChannelSettings{}))
	first, second := f.register(device("d1", "u007", "t1")), f.register(device("d2", "u007", "t2"))
	f.register(device("d3", "u007", "t3"))
	if _, err := f.DisableDevice(ctx, acme, "d3", "t3", time.Time{}, chatbell.InvalidToken); err != nil {
		t.Fatal(err)
	}
	f.register(device("d9", "stranger", "t9"))

	var got []string
	for q := (chatbell.AudienceQuery{Limit: 7}); ; {
		page := f.page(q)
		if len(page) == 0 {
			break
		}
		if len(page) > 7 {
			t.Fatalf("a page has %d people", len(page))
		}
		got = append(got, userIDs(page)...)
		q.After = page[len(page)-1].User.ID
	}
	f.equal("the audience, page by page", got, all)

	r := f.page(chatbell.AudienceQuery{After: "u006", Limit: 1})[0]
	for i := range r.Devices { // what a send does not need may be left out
		r.Devices[i].Meta = nil
	}
	first.Meta, second.Meta = nil, nil
	f.equal("one of them", r, chatbell.Recipient{User: alice, Member: true, Settings: &settings, ChannelSettings: &here, Devices: []chatbell.Device{first, second}})
	r = f.page(chatbell.AudienceQuery{After: "u007", Limit: 1})[0]
	f.equal("one of whom nothing is known", r, chatbell.Recipient{User: chatbell.User{ID: "u008"}, Member: true})
}

// JoinedBefore leaves out those who joined by an event or later; who left and came
// back joined when they came back, and who was named again stays who they were.
func joinedBefore(_ *testing.T, f *fixture) {
	f.event(inChannel(chatbell.ChannelCreated, "c", "a", "b", "left")) // 1
	f.event(inChannel(chatbell.ChannelLeft, "c", "left"))              // 2
	f.event(inChannel(chatbell.ChannelJoined, "c", "x", "left", "a"))  // 3
	f.event(inChannel(chatbell.ChannelJoined, "c", "y"))               // 4
	for seq, want := range map[uint64][]string{0: {"a", "b", "left", "x", "y"}, 3: {"a", "b"}, 4: {"a", "b", "left", "x"}, 5: {"a", "b", "left", "x", "y"}} {
		f.equal(fmt.Sprint("who was there before ", seq), userIDs(f.page(chatbell.AudienceQuery{JoinedBefore: seq, Limit: 10})), want)
	}
}

// Recipients are people by their ids, in that order, known or not, members or not.
func recipients(t *testing.T, f *fixture) {
	f.event(inChannel(chatbell.ChannelCreated, "c", "member", "silent"))
	f.must(f.PutUser(t.Context(), acme, chatbell.User{ID: "outsider", Name: "Out", Roles: []string{"r"}}))
	f.register(device("d", "outsider", "t"))
	list, err := f.Recipients(t.Context(), acme, "c", []chatbell.UserID{"outsider", "unknown", "member"})
	f.must(err)
	f.equal("who they are", userIDs(list), []string{"outsider", "unknown", "member"})
	f.equal("who is a member", []bool{list[0].Member, list[1].Member, list[2].Member}, []bool{false, false, true})
	if list[0].User.Name != "Out" || len(list[0].Devices) != 1 || len(list[1].Devices) != 0 {
		t.Errorf("got %+v", list)
	}
	list, err = f.Recipients(t.Context(), acme, "c", nil)
	f.must(err)
	f.equal("nobody", len(list), 0)
}

// largeAudience: a large channel is read page by page, each person once, whatever the
// size of the page, and without those who left or joined meanwhile.
func largeAudience(t *testing.T, f *fixture) {
	const n = 3000
	list := make([]chatbell.Person, n)
	for i := range list {
		list[i] = chatbell.Person{ID: chatbell.UserID(fmt.Sprintf("u%04d", i)), Name: fmt.Sprint("N", i)}
	}
	for part := range slices.Chunk(list, chatbell.MaxEventMembers) { // 1 to 3
		f.event(chatbell.Event{Type: chatbell.ChannelJoined, Channel: chatbell.ChannelRef{ID: "c"}, Members: part})
	}
	f.event(chatbell.Event{Type: chatbell.ChannelLeft, Channel: chatbell.ChannelRef{ID: "c"}, Members: list[:700]}) // 4
	f.event(chatbell.Event{Type: chatbell.ChannelJoined, Channel: chatbell.ChannelRef{ID: "c"}, Members: list[:5]}) // 5
	for i := range 10 {
		f.register(device(fmt.Sprint("d", i), "u1500", fmt.Sprint("t", i))) // several rows of one person
	}
	all := ids(list, func(p chatbell.Person) chatbell.UserID { return p.ID })
	for _, x := range []struct {
		limit  int
		before uint64
		want   []string
	}{
		{7, 0, append(slices.Clone(all[:5]), all[700:]...)},
		{1000, 0, append(slices.Clone(all[:5]), all[700:]...)},
		{1024, 5, all[700:]},
		{5000, 3, all[700:2000]},
		{100, 2, all[700:1000]},
		{100, 1, []string{}},
	} {
		got := []string{}
		for q := (chatbell.AudienceQuery{Limit: x.limit, JoinedBefore: x.before}); ; {
			page := f.page(q)
			if len(page) == 0 {
				break
			}
			if len(page) > x.limit {
				t.Fatalf("a page of %d has %d people", x.limit, len(page))
			}
			got = append(got, userIDs(page)...)
			q.After = page[len(page)-1].User.ID
		}
		f.equal(fmt.Sprintf("the audience in pages of %d before %d", x.limit, x.before), got, x.want)
	}
	at := f.page(chatbell.AudienceQuery{After: "u1499", Limit: 1})
	f.equal("how many devices the person of a short page has", len(at[0].Devices), 10)

	first := f.page(chatbell.AudienceQuery{Limit: 1000})
	last := first[999].User.ID
	f.event(chatbell.Event{Type: chatbell.ChannelLeft, Channel: chatbell.ChannelRef{ID: "c"}, Members: []chatbell.Person{{ID: last}, {ID: "u2999"}}})
	rest := f.page(chatbell.AudienceQuery{After: last, Limit: n})
	f.equal("the rest, when the cursor's person and the last have left", userIDs(rest), all[1695:2999])
}

// oddIDs: ids and names are any text; none is another's, and lists come to an end.
func oddIDs(t *testing.T, f *fixture) {
	odd := []string{"a", "A", "ä", "a\u0308", "a ", "%", "_", "'", "\"", "<&>", "\\", "0", "00", "1e1", "null", "日本", "😀", "\u2028", "\U0010ffff", strings.Repeat("x", 150)}
	f.event(inChannel(chatbell.ChannelCreated, "c", odd...))
	wanted := make([]chatbell.UserID, 0, len(odd))
	devices := make([]chatbell.DeviceID, 0, len(odd))
	for _, id := range odd {
		f.must(f.PutUser(t.Context(), acme, chatbell.User{ID: chatbell.UserID(id), Name: id}))
		f.register(device(id, id, id))
		wanted, devices = append(wanted, chatbell.UserID(id)), append(devices, chatbell.DeviceID(id))
	}
	list, err := f.Recipients(t.Context(), acme, "c", wanted)
	f.must(err)
	f.equal("the people by their ids", userIDs(list), odd)
	for _, r := range list {
		if !r.Member || r.User.Name != string(r.User.ID) || len(r.Devices) != 1 || r.Devices[0].Token != r.User.Name {
			t.Errorf("%q is %+v", r.User.ID, r)
		}
	}
	found, err := f.CheckDevices(t.Context(), acme, devices)
	f.must(err)
	f.equal("how many devices are found by their ids", len(found), len(odd))
	var got []string
	for q := (chatbell.AudienceQuery{Limit: 3}); ; {
		page := f.page(q)
		if len(page) == 0 {
			break
		}
		got = append(got, userIDs(page)...)
		q.After = page[len(page)-1].User.ID
	}
	slices.Sort(odd) // by bytes, as Go and every store compare
	f.equal("the audience, page by page", got, odd)
	f.equal("the members", f.memberIDs("c"), odd)
	f.equal("the devices", f.deviceIDs(store.DeviceFilter{Limit: 100}), odd)
}
