package storetest

import (
	"testing"

	"chatbell"
)

// Modes are how a channel notifies, which calls and events may say.
func Modes(t *testing.T, open Open) { tests{"Modes": modes}.run(t, open) }

// modes: an event may say the mode; one that does not leaves it as it is.
func modes(_ *testing.T, f *fixture) {
	event := func(seq uint64, kind chatbell.EventType, mode chatbell.NotificationMode, members ...string) {
		f.at(seq, chatbell.Event{Type: kind, Channel: chatbell.ChannelRef{ID: "c", Mode: mode}, Members: people(members...)})
	}
	is := func(what string, want chatbell.NotificationMode) {
		f.Helper()
		got, err := f.Channel(f.Context(), acme, "c")
		f.must(err)
		f.equal(what, got.NotificationMode, want)
	}
	event(10, chatbell.ChannelCreated, chatbell.ModeSubscribe, "a")
	is("made", chatbell.ModeSubscribe)
	event(11, chatbell.ChannelJoined, "", "b")
	is("not said", chatbell.ModeSubscribe)
	event(12, chatbell.ChannelUpdated, chatbell.ModeSilent)
	is("updated", chatbell.ModeSilent)
	event(9, chatbell.ChannelUpdated, chatbell.ModeDefault)
	is("said by an older event", chatbell.ModeSilent)
	event(13, chatbell.ChannelUpdated, chatbell.ModeDefault)
	is("back to the default", chatbell.ModeDefault)
	event(14, chatbell.ChannelUpdated, chatbell.ModeSilent)
	event(15, chatbell.ChannelDeleted, "")
	event(16, chatbell.ChannelCreated, "", "a")
	is("of a channel's new life", chatbell.ModeDefault)
}
