// Package storetest is what every store has to do, as tests: a suite for each capability,
// so that a new store can be built one after another, and [Run] for all of them. What is
// special to one store is tested beside it.
//
// A store that is being built embeds a nil [Store] for what it does not have yet.
package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"chatbell"
	"chatbell/analytics"
	"chatbell/handlers/centrifugo"
	"chatbell/handlers/native"
	"chatbell/internal/keyring"
	"chatbell/internal/store"
	"chatbell/pipeline"
	"chatbell/pipeline/schedule"
)

// Store is everything that the server asks of a store. What is in it is declared by those
// who ask; the contract of all stores is in the package store.
type Store interface {
	pipeline.Store
	native.State
	centrifugo.State
	schedule.Store
	analytics.Cursors
	keyring.Store
	CreateNetwork(ctx context.Context, id chatbell.NetworkID, key chatbell.Key) error
	Networks(ctx context.Context) ([]store.NetworkRow, error)
	Meta(ctx context.Context, key string) (string, error)
	PutMeta(ctx context.Context, key, value string) error
	EnableEndpoint(ctx context.Context, network chatbell.NetworkID, id chatbell.EndpointID) (bool, error)
	EnableChangedEndpoint(ctx context.Context, network chatbell.NetworkID, endpoint chatbell.Endpoint) (bool, error)
	NewestSequence(ctx context.Context) (uint64, error)
	Close() error
}

// Open opens the store that a folder stands for: the same folder is the same store.
// Sequence is the newest accepted event's.
type Open func(t *testing.T, dir string, sequence func() uint64) Store

// Suite tests one capability. Each of its tests has a store of its own.
type Suite func(t *testing.T, open Open)

// suites are all, by name.
var suites = map[string]Suite{
	"People": People, "Channels": Channels, "Members": Members, "Audiences": Audiences, "Devices": Devices,
	"Topics": Topics, "Scheduled": Scheduled,
	"Settings": Settings, "Modes": Modes, "Endpoints": Endpoints, "Networks": Networks, "Meta": Meta,
	"Events": Events, "Sequence": Sequence, "Backlog": Backlog, "Checkpoints": Checkpoints, "Cursors": Cursors,
	"Whole": Whole,
}

// Run runs all suites.
func Run(t *testing.T, open Open) {
	for name, suite := range suites {
		t.Run(name, func(t *testing.T) { suite(t, open) })
	}
}

// tests are those of one suite, by name.
type tests map[string]func(*testing.T, *fixture)

func (all tests) run(t *testing.T, open Open) {
	for name, test := range all {
		t.Run(name, func(t *testing.T) { test(t, newFixture(t, open)) })
	}
}

// People are users, put and deleted by calls.
func People(t *testing.T, open Open) { tests{"Users": users}.run(t, open) }

// Channels come and go, by calls and by events.
func Channels(t *testing.T, open Open) {
	tests{"Channels": channels, "ComeAndGo": channelComesAndGoes}.run(t, open)
}

// Members are in channels, one by one and by bulk lists.
func Members(t *testing.T, open Open) {
	tests{"Members": members, "Replace": replaceMembers, "ReplaceAndEvents": replaceAndEvents}.run(t, open)
}

// Audiences are what matching reads: people with their settings and devices.
func Audiences(t *testing.T, open Open) {
	tests{
		"Audience": audience, "Large": largeAudience, "OddIDs": oddIDs, "JoinedBefore": joinedBefore, "Recipients": recipients,
		"InEffect": inEffect, "InEffectBeside": inEffectBeside,
	}.run(t, open)
}

// Devices are push tokens: registered, listed, found dead.
func Devices(t *testing.T, open Open) {
	tests{"Devices": devices, "DeadTokens": deadTokens, "Tokens": tokens, "OwnDevices": ownDevices, "Lists": deviceLists}.run(t, open)
}

// Settings are the toggles of the three levels.
func Settings(t *testing.T, open Open) { tests{"Settings": settings}.run(t, open) }

// Endpoints are webhooks that are not called any more.
func Endpoints(t *testing.T, open Open) {
	tests{"Endpoints": endpoints, "Enabled": enabledEndpoints}.run(t, open)
}

// Networks are made by calls, with their first keys.
func Networks(t *testing.T, open Open) { tests{"Networks": networks}.run(t, open) }

// Meta are values that the server keeps for itself.
func Meta(t *testing.T, open Open) { tests{"Meta": meta}.run(t, open) }

// Events are applied in whatever order they come, beside calls.
func Events(t *testing.T, open Open) {
	tests{
		"Apply": apply, "ApplyLate": applyLate, "ApplyAndAPI": applyAndAPI, "CallsAndEvents": callsAndEvents, "NothingErased": nothingErased, "Property": property,
		"Late": late, "Repeated": repeated, "NewLife": newLife, "APIAheadOfSequence": apiAheadOfSequence,
		"ChannelProperty": channelProperty, "PeopleProperty": peopleProperty,
	}.run(t, open)
}

// Sequence is the greatest that the store has seen.
func Sequence(t *testing.T, open Open) { tests{"Newest": newestSequence}.run(t, open) }

// Backlog is what waits for destinations.
func Backlog(t *testing.T, open Open) { tests{"Waiting": waiting, "Backlogs": backlogs}.run(t, open) }

// Checkpoints say how far the planning of a large request is.
func Checkpoints(t *testing.T, open Open) { tests{"Checkpoints": checkpoints}.run(t, open) }

// Cursors say how far the recorder is.
func Cursors(t *testing.T, open Open) { tests{"Cursor": cursor}.run(t, open) }

// Whole is about all of it together: every method, networks that do not see each other,
// concurrent calls, a store that is closed and opened again.
func Whole(t *testing.T, open Open) {
	tests{
		"EveryMethod": everyMethod, "Isolation": isolation, "Concurrency": concurrency, "Undone": undone, "ReadYourWrites": readYourWrites,
		"CloseUnderWrites": closeUnderWrites, "Cancelled": cancelled, "Closed": closed, "Reopen": reopen,
	}.run(t, open)
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
