package storetest

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"chatbell"
)

func users(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.User(ctx, acme, "alice")
	f.notFound("a user that nobody put", err)
	alice := chatbell.User{ID: "alice", Name: "Alice \x00'\"; --", Locale: "pt-BR", Timezone: "America/Sao_Paulo", Roles: []string{"admin", "a,b", ""}}
	f.must(f.PutUser(ctx, acme, alice))
	got, err := f.User(ctx, acme, "alice")
	f.must(err)
	f.equal("the user", got, alice)

	f.must(f.PutUser(ctx, acme, chatbell.User{ID: "alice"})) // replaces the whole
	got, err = f.User(ctx, acme, "alice")
	f.must(err)
	f.equal("the replaced user", got, chatbell.User{ID: "alice"})

	f.must(f.PutMember(ctx, acme, "c", chatbell.Member{User: chatbell.User{ID: "alice"}}))
	_, err = f.RegisterDevice(ctx, acme, device("d1", "alice", "t1"))
	f.must(err)
	f.must(f.PutUserSettings(ctx, acme, "alice", chatbell.UserSettings{Toggles: chatbell.Toggles{Enabled: new(false)}}))
	f.must(f.DeleteUser(ctx, acme, "alice"))
	f.notFound("deleting twice", f.DeleteUser(ctx, acme, "alice"))
	_, err = f.User(ctx, acme, "alice")
	f.notFound("a deleted user", err)
	_, err = f.Device(ctx, acme, "d1")
	f.notFound("a deleted user's device", err)
	f.equal("members after the deletion", f.memberIDs("c"), []string{})
	s, err := f.UserSettings(ctx, acme, "alice")
	f.must(err)
	f.equal("a deleted user's settings", s, chatbell.UserSettings{})
}

func channels(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Channel(ctx, acme, "c")
	f.notFound("a channel that nobody put", err)
	f.notFound("deleting it", f.DeleteChannel(ctx, acme, "c"))
	c := chatbell.Channel{ID: "c", Name: "General", Type: "community", NotificationMode: chatbell.ModeSubscribe}
	f.must(f.PutChannel(ctx, acme, c))
	got, err := f.Channel(ctx, acme, "c")
	f.must(err)
	f.equal("the channel", got, c)
	f.must(f.PutMember(ctx, acme, "c", chatbell.Member{User: chatbell.User{ID: "a"}}))
	f.must(f.PutChannel(ctx, acme, chatbell.Channel{ID: "c"}))
	got, err = f.Channel(ctx, acme, "c")
	f.must(err)
	f.equal("the replaced channel", got, chatbell.Channel{ID: "c", NotificationMode: chatbell.ModeDefault})
	f.equal("its members, which stay", f.memberIDs("c"), []string{"a"})
	f.must(f.PutChannelSettings(ctx, acme, "a", "c", chatbell.ChannelSettings{MentionsOnly: true}))
	f.must(f.DeleteChannel(ctx, acme, "c"))
	f.equal("members of the deleted channel", f.memberIDs("c"), []string{})
	s, err := f.ChannelSettings(ctx, acme, "a", "c")
	f.must(err)
	f.equal("settings for the deleted channel", s, chatbell.ChannelSettings{})
}

// channelComesAndGoes: whatever makes or removes a channel, the next read says so,
// however often it was read before.
func channelComesAndGoes(t *testing.T, f *fixture) {
	ctx := t.Context()
	remove := func() error { return f.DeleteChannel(ctx, acme, "c") }
	event := func(t chatbell.EventType) func() error {
		return func() error { f.event(inChannel(t, "c", "a")); return nil }
	}
	for i, x := range []struct {
		what   string
		write  func() error
		exists bool
	}{
		{"nothing", func() error { return nil }, false},
		{"PutMember", func() error { return f.PutMember(ctx, acme, "c", chatbell.Member{User: chatbell.User{ID: "a"}}) }, true},
		{"DeleteChannel", remove, false},
		{"ReplaceMembers", func() error { return second(f.ReplaceMembers(ctx, acme, "c", sequence([]string{"a"}, nil))) }, true},
		{"DeleteChannel", remove, false},
		{"PutChannel", func() error { return f.PutChannel(ctx, acme, chatbell.Channel{ID: "c"}) }, true},
		{"channel.deleted", event(chatbell.ChannelDeleted), false},
		{"channel.joined", event(chatbell.ChannelJoined), true},
	} {
		f.must(x.write())
		for range 2 {
			_, err := f.Channel(ctx, acme, "c")
			if exists := err == nil; exists != x.exists || !exists && !errors.Is(err, chatbell.ErrNotFound) {
				t.Fatalf("after step %d, %s: %v", i, x.what, err)
			}
		}
	}
}

func members(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.notFound("taking out who is no member", f.DeleteMember(ctx, acme, "c", "a"))
	f.must(f.PutMember(ctx, acme, "c", chatbell.Member{User: chatbell.User{ID: "a", Name: "Ann", Locale: "de"}, ChannelRoles: []string{"mod"}}))
	if _, err := f.Channel(ctx, acme, "c"); err != nil {
		t.Errorf("the channel was not made: %v", err)
	}
	f.must(f.PutMember(ctx, acme, "c", chatbell.Member{User: chatbell.User{ID: "a"}})) // says nothing of the person, and no roles
	list, err := f.Members(ctx, acme, "c", "", 10)
	f.must(err)
	f.equal("the members", list, []chatbell.Member{{User: chatbell.User{ID: "a", Name: "Ann", Locale: "de"}}})
	f.must(f.DeleteMember(ctx, acme, "c", "a"))
	f.equal("the members at the end", f.memberIDs("c"), []string{})
}

func replaceMembers(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.must(f.PutMember(ctx, acme, "c", chatbell.Member{User: chatbell.User{ID: "old"}}))
	const n = 1234 // more than any page
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("m%05d", i))
	}
	got, err := f.ReplaceMembers(ctx, acme, "c", sequence(append(slices.Clone(want), want[:10]...), nil)) // some of them twice
	f.must(err)
	f.equal("how many there are", got, n)
	var listed []string
	for after := chatbell.UserID(""); ; {
		page, err := f.Members(ctx, acme, "c", after, 100)
		f.must(err)
		if len(page) == 0 {
			break
		}
		listed = append(listed, ids(page, func(m chatbell.Member) chatbell.UserID { return m.ID })...)
		after = page[len(page)-1].ID
	}
	f.equal("the members, page by page", listed, want)

	broken := errors.New("the list broke off")
	if _, err := f.ReplaceMembers(ctx, acme, "c", sequence([]string{"x"}, broken)); !errors.Is(err, broken) {
		t.Errorf("a list that breaks off: %v", err)
	}
	if list, err := f.Members(ctx, acme, "c", "", 1); err != nil || list[0].ID != "m00000" {
		t.Errorf("a list that broke off changed the members: %v, %v", list, err)
	}
	got, err = f.ReplaceMembers(ctx, acme, "c", sequence(nil, nil))
	f.must(err)
	f.equal("an empty list", got, 0)
	f.equal("the members after it", f.memberIDs("c"), []string{})
}

// replaceAndEvents: a list is newer than every event that was accepted before it, and
// older than those after; who is in two lists is there since the first.
func replaceAndEvents(t *testing.T, f *fixture) {
	replace := func(seq uint64, ids ...string) {
		t.Helper()
		f.seq = seq
		f.must(second(f.ReplaceMembers(t.Context(), acme, "c", sequence(ids, nil))))
	}
	before := func(seq uint64, want ...string) {
		t.Helper()
		got := userIDs(f.page(chatbell.AudienceQuery{JoinedBefore: seq, Limit: 10}))
		f.equal(fmt.Sprint("who was there before ", seq), got, append([]string{}, want...))
	}
	f.at(1, inChannel(chatbell.ChannelJoined, "c", "a", "x"))
	replace(5, "a", "b")
	before(3, "a")
	before(5, "a")
	before(6, "a", "b")
	f.at(4, inChannel(chatbell.ChannelJoined, "c", "late"))
	f.at(5, inChannel(chatbell.ChannelLeft, "c", "b"))
	before(0, "a", "b")
	f.at(6, inChannel(chatbell.ChannelLeft, "c", "a"))
	f.at(7, inChannel(chatbell.ChannelJoined, "c", "d"))
	before(0, "b", "d")
	replace(10, "b", "c", "d", "x")
	before(6, "b")
	before(8, "b", "d")
	before(11, "b", "c", "d", "x")
	f.at(8, chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "c"}})
	f.at(9, chatbell.Event{Type: chatbell.ChannelDeleted, Channel: chatbell.ChannelRef{ID: "c"}})
	before(0, "b", "c", "d", "x")
	f.must(f.DeleteUser(t.Context(), acme, "d"))
	f.must(f.DeleteMember(t.Context(), acme, "c", "x"))
	before(0, "b", "c")
	f.at(11, inChannel(chatbell.ChannelJoined, "c", "x", "d"))
	f.at(12, chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "b"}})
	before(0, "c", "d", "x")
	f.must(f.DeleteChannel(t.Context(), acme, "c"))
	before(0)
	replace(20, "a")
	before(0, "a")
	before(20)
}

func sequence(ids []string, end error) iter.Seq2[chatbell.Member, error] {
	return func(yield func(chatbell.Member, error) bool) {
		for _, id := range ids {
			if !yield(chatbell.Member{User: chatbell.User{ID: chatbell.UserID(id)}}, nil) {
				return
			}
		}
		if end != nil {
			yield(chatbell.Member{}, end)
		}
	}
}
