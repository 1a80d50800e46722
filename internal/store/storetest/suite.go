// Package storetest is what every store has to do, as tests. A store's own test calls
// [Run]; what is special to one store is tested beside it.
package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"chatbell"
	"chatbell/analytics"
	"chatbell/handlers/native"
	"chatbell/internal/store"
	"chatbell/pipeline"
)

// Store is everything that the server asks of a store.
type Store interface {
	pipeline.Store
	native.State
	analytics.Cursors
	CreateNetwork(ctx context.Context, id chatbell.NetworkID, key chatbell.Key) error
	Networks(ctx context.Context) ([]store.NetworkRow, error)
	Keys(ctx context.Context) ([]chatbell.Key, error)
	Meta(ctx context.Context, key string) (string, error)
	PutMeta(ctx context.Context, key, value string) error
	Close() error
}

// Open opens the store that a folder stands for: the same folder is the same store.
// Sequence is the newest accepted event's.
type Open func(t *testing.T, dir string, sequence func() uint64) Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, *fixture){
		"Users": users, "Channels": channels, "ChannelComesAndGoes": channelComesAndGoes, "Members": members, "ReplaceMembers": replaceMembers,
		"Devices": devices, "DeadTokens": deadTokens, "Tokens": tokens, "DeviceLists": deviceLists, "Settings": settings, "Networks": networks, "Endpoints": endpoints,
		"Waiting": waiting, "Backlogs": backlogs, "Progress": progress, "Reopen": reopen,
		"Apply": apply, "ApplyLate": applyLate, "ApplyAndAPI": applyAndAPI, "CallsAndEvents": callsAndEvents, "NothingErased": nothingErased, "Property": property,
		"Late": late, "Repeated": repeated, "NewLife": newLife, "APIAheadOfSequence": apiAheadOfSequence,
		"ChannelProperty": channelProperty, "PeopleProperty": peopleProperty,
		"Audience": audience, "LargeAudience": largeAudience, "OddIDs": oddIDs, "JoinedBefore": joinedBefore, "Recipients": recipients,
		"EveryMethod": everyMethod, "Isolation": isolation, "Concurrency": concurrency, "Undone": undone, "ReadYourWrites": readYourWrites, "CloseUnderWrites": closeUnderWrites,
		"Cancelled": cancelled, "Closed": closed,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, newFixture(t, open))
		})
	}
}

const acme chatbell.NetworkID = "acme"

// fixture is a store under test.
type fixture struct {
	*testing.T
	Store

	open Open
	dir  string
	seq  uint64 // the newest accepted event's
}

func newFixture(t *testing.T, open Open) *fixture {
	t.Helper()
	f := &fixture{T: t, open: open, dir: t.TempDir()}
	f.reopen()
	t.Cleanup(func() { f.must(f.Close()) })
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) notFound(what string, err error) {
	f.Helper()
	if !errors.Is(err, chatbell.ErrNotFound) {
		f.Errorf("%s: %v, want ErrNotFound", what, err)
	}
}

func (f *fixture) equal(what string, got, want any) {
	f.Helper()
	if !reflect.DeepEqual(got, want) {
		f.Errorf("%s is\n  %+v, want\n  %+v", what, got, want)
	}
}

// reopen opens the store again after it was closed.
func (f *fixture) reopen() { f.Store = f.open(f.T, f.dir, func() uint64 { return f.seq }) }

// event applies an event with the next sequence.
func (f *fixture) event(e chatbell.Event) {
	f.Helper()
	f.seq++
	f.at(f.seq, e)
}

func (f *fixture) at(seq uint64, e chatbell.Event) {
	f.Helper()
	f.must(f.Apply(f.Context(), seq, &chatbell.Envelope{Network: acme, Event: e}))
}

func people(ids ...string) []chatbell.Person {
	out := make([]chatbell.Person, len(ids))
	for i, id := range ids {
		out[i] = chatbell.Person{ID: chatbell.UserID(id)}
	}
	return out
}

func inChannel(t chatbell.EventType, channel string, members ...string) chatbell.Event {
	return chatbell.Event{Type: t, Channel: chatbell.ChannelRef{ID: chatbell.ChannelID(channel)}, Members: people(members...)}
}

// memberIDs are the members of a channel as the API lists them.
func (f *fixture) memberIDs(channel string) []string {
	f.Helper()
	list, err := f.Members(f.Context(), acme, chatbell.ChannelID(channel), "", 1000)
	f.must(err)
	return ids(list, func(m chatbell.Member) chatbell.UserID { return m.ID })
}

func ids[T any, ID ~string](list []T, id func(T) ID) []string {
	out := []string{}
	for _, x := range list {
		out = append(out, string(id(x)))
	}
	return out
}
