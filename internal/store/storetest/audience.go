package storetest

import (
	"fmt"
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
	settings := chatbell.UserSettings{Toggles: chatbell.Toggles{Enabled: ptr(false)}}
	here := chatbell.ChannelSettings{MentionsOnly: true}
	f.must(f.PutUserSettings(ctx, acme, alice.ID, settings))
	f.must(f.PutChannelSettings(ctx, acme, alice.ID, "c", here))
	f.must(f.PutChannelSettings(ctx, acme, alice.ID, "elsewhere", chatbell.ChannelSettings{}))
	first, second := f.register(device("d1", "u007", "t1")), f.register(device("d2", "u007", "t2"))
	f.register(device("d3", "u007", "t3"))
	if _, err := f.DisableDevice(ctx, acme, "d3", "t3", chatbell.InvalidToken); err != nil {
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
func joinedBefore(t *testing.T, f *fixture) {
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

// isolation: nothing of one network is seen or changed from another, whatever the ids.
func isolation(t *testing.T, f *fixture) {
	const globex chatbell.NetworkID = "globex"
	ctx := t.Context()
	f.event(inChannel(chatbell.ChannelCreated, "c", "a"))
	f.must(f.PutUser(ctx, acme, chatbell.User{ID: "a", Name: "Ann"}))
	f.register(device("d", "a", "t"))
	f.must(f.PutNetworkSettings(ctx, acme, chatbell.Toggles{Enabled: ptr(false)}))
	f.must(f.PutUserSettings(ctx, acme, "a", chatbell.UserSettings{Toggles: chatbell.Toggles{Enabled: ptr(false)}}))
	f.must(f.PutChannelSettings(ctx, acme, "a", "c", chatbell.ChannelSettings{MentionsOnly: true}))

	_, err := f.User(ctx, globex, "a")
	f.notFound("the other's user", err)
	_, err = f.Channel(ctx, globex, "c")
	f.notFound("the other's channel", err)
	_, err = f.Device(ctx, globex, "d")
	f.notFound("the other's device", err)
	n, err := f.NetworkSettings(ctx, globex)
	f.must(err)
	u, err := f.UserSettings(ctx, globex, "a")
	f.must(err)
	c, err := f.ChannelSettings(ctx, globex, "a", "c")
	f.must(err)
	f.equal("the other's settings", []any{n, u, c}, []any{chatbell.Toggles{}, chatbell.UserSettings{}, chatbell.ChannelSettings{}})
	for what, n := range map[string]func() (int, error){
		"audience": func() (int, error) {
			list, err := f.Audience(ctx, chatbell.AudienceQuery{Network: globex, Channel: "c", Limit: 10})
			return len(list), err
		},
		"members": func() (int, error) {
			list, err := f.Members(ctx, globex, "c", "", 10)
			return len(list), err
		},
		"devices": func() (int, error) {
			list, err := f.Devices(ctx, globex, store.DeviceFilter{Limit: 10})
			return len(list), err
		},
		"devices by id": func() (int, error) {
			list, err := f.CheckDevices(ctx, globex, []chatbell.DeviceID{"d"})
			return len(list), err
		},
		"a person's devices": func() (int, error) {
			list, err := f.Recipients(ctx, globex, "c", []chatbell.UserID{"a"})
			if err != nil || len(list) != 1 || list[0].User.Name != "" || list[0].Member || list[0].Settings != nil {
				return 1, err
			}
			return len(list[0].Devices), nil
		},
	} {
		got, err := n()
		f.must(err)
		f.equal("how many of the other's are seen among "+what, got, 0)
	}

	for what, change := range map[string]func() (bool, error){
		"delete device":  func() (bool, error) { return f.DeleteDevice(ctx, globex, "d", "") },
		"remove dead":    func() (bool, error) { return f.RemoveDeadDevice(ctx, globex, "d", "t", time.Time{}) },
		"disable device": func() (bool, error) { return f.DisableDevice(ctx, globex, "d", "t", chatbell.InvalidToken) },
	} {
		acted, err := change()
		f.must(err)
		f.equal(what+" of the other's", acted, false)
	}
	f.notFound("deleting the other's user", f.DeleteUser(ctx, globex, "a"))
	f.notFound("deleting the other's channel", f.DeleteChannel(ctx, globex, "c"))
	f.notFound("deleting the other's member", f.DeleteMember(ctx, globex, "c", "a"))
	if _, err := f.RegisterDevice(ctx, globex, device("d", "b", "t")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReplaceMembers(ctx, globex, "c", sequence(nil, nil)); err != nil {
		t.Fatal(err)
	}
	for _, e := range []chatbell.Event{
		{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "a"}}, {Type: chatbell.ChannelDeleted, Channel: chatbell.ChannelRef{ID: "c"}}, inChannel(chatbell.ChannelLeft, "c", "a"),
	} {
		f.seq++
		f.must(f.Apply(ctx, f.seq, &chatbell.Envelope{Network: globex, Event: e}))
	}
	f.equal("our members", f.memberIDs("c"), []string{"a"})
	if d, err := f.Device(ctx, acme, "d"); err != nil || d.User != "a" {
		t.Errorf("our device is %+v, %v", d, err)
	}
}
