package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

// Topics are what devices subscribe to, and users.
func Topics(t *testing.T, open Open) {
	tests{
		"Registration": fullState, "Tokens": tokensAndIDs, "UserTopics": userTopics, "Changes": deviceChanges, "Guard": ownershipGuard,
		"Choices": choices, "TopicLists": topicLists, "OtherViews": otherViews, "TooMany": tooManyTopics,
		"Model": topicModel, "Concurrent": concurrentDevices,
	}.run(t, open)
}

func registration(id, user, token string, topics ...string) store.Registration {
	return store.Registration{
		Device: chatbell.Device{ID: chatbell.DeviceID(id), User: chatbell.UserID(user), Provider: chatbell.ProviderFCM, Platform: "android", Token: token},
		NewID:  chatbell.DeviceID("new-" + token),
		Topics: topics,
	}
}

func (f *fixture) registerTopics(r store.Registration) chatbell.DeviceID {
	f.Helper()
	id, err := f.RegisterWithTopics(f.Context(), acme, r)
	f.must(err)
	return id
}

// only is the one device of a choice.
func (f *fixture) only(choice store.DeviceChoice) store.TopicDevice {
	f.Helper()
	list, err := f.ChosenDevices(f.Context(), acme, store.DevicePage{Choice: choice, Limit: 10, Topics: true})
	f.must(err)
	if len(list) != 1 {
		f.Fatalf("%+v chooses %d devices, want one", choice, len(list))
	}
	return list[0]
}

func byID(ids ...chatbell.DeviceID) store.DeviceChoice { return store.DeviceChoice{IDs: ids} }

func (f *fixture) topicsOf(id chatbell.DeviceID) string {
	f.Helper()
	return strings.Join(f.only(byID(id)).Topics, " ")
}

func (f *fixture) userList(user string, op store.TopicOp, topics ...string) {
	f.Helper()
	f.must(f.ChangeUserTopics(f.Context(), acme, chatbell.UserID(user), store.TopicChange{Op: op, Topics: topics}))
}

// fullState: what a registration does not say is forgotten, and the topics are those that it
// names, those of the user and those of everybody.
func fullState(_ *testing.T, f *fixture) {
	f.userList("a", store.TopicSet, "a1", "a2")
	f.userList("", store.TopicSet, "all")
	first := registration("", "a", "t", "x", "a1")
	first.Device.Locale = "de"
	first.Device.Timezone = "Europe/Berlin"
	first.Device.Meta = map[string]string{"v": "1"}
	first.WebPushKeys = "{}"
	before := time.Now().Truncate(time.Millisecond)
	id := f.registerTopics(first)
	f.equal("the id", id, chatbell.DeviceID("new-t"))
	got := f.only(byID(id))
	f.equal("what is kept", []any{got.User, got.Locale, got.Timezone, got.Meta, got.WebPushKeys, got.Topics},
		[]any{chatbell.UserID("a"), "de", "Europe/Berlin", map[string]string{"v": "1"}, "{}", []string{"a1", "a2", "all", "x"}})
	if got.CreatedAt.Before(before) || !got.CreatedAt.Equal(got.UpdatedAt) {
		f.Errorf("made %v, changed %v", got.CreatedAt, got.UpdatedAt)
	}
	f.equal("the id again", f.registerTopics(registration("", "", "t", "y")), id)
	again := f.only(byID(id))
	f.equal("what is forgotten", []any{again.User, again.Locale, again.Timezone, again.Meta, again.WebPushKeys, again.Topics},
		[]any{chatbell.UserID(""), "", "", map[string]string(nil), "", []string{"all", "y"}})
	f.equal("when it was made", again.CreatedAt, got.CreatedAt)
}

// tokensAndIDs: a token is one device's. Without an id it names the device; with one it
// becomes that device's, and another one that had it is gone.
func tokensAndIDs(_ *testing.T, f *fixture) {
	one := f.registerTopics(registration("", "a", "t1"))
	two := f.registerTopics(registration("", "b", "t2"))
	f.equal("rotated in place", f.registerTopics(registration(string(one), "a", "t3")), one)
	f.equal("its token", f.only(byID(one)).Token, "t3")
	f.equal("taken over", f.registerTopics(registration(string(one), "a", "t2")), one)
	list, err := f.ChosenDevices(f.Context(), acme, store.DevicePage{Limit: 10})
	f.must(err)
	f.equal("who is left", ids(list, func(d store.TopicDevice) chatbell.DeviceID { return d.ID }), []string{string(one)})
	other := registration("", "b", "t2")
	other.Device.Provider = chatbell.ProviderHMS
	other.NewID = "hms"
	f.equal("another provider's token", f.registerTopics(other), chatbell.DeviceID("hms"))
	if _, err := f.RegisterWithTopics(f.Context(), acme, registration("nobody's", "a", "t9")); !errors.Is(err, store.ErrBadID) {
		f.Errorf("an id that is no device's: %v", err)
	}
	gone := registration(string(two), "b", "t9")
	gone.Made = true
	f.equal("a device that is gone, made again", f.registerTopics(gone), two)
}

// userTopics: the list of a user is copied to the user's devices at once; that of everybody
// when they register.
func userTopics(_ *testing.T, f *fixture) {
	one := f.registerTopics(registration("", "a", "t1", "own"))
	two := f.registerTopics(registration("", "a", "t2", "x"))
	other := f.registerTopics(registration("", "b", "t3"))
	f.userList("a", store.TopicAdd, "x", "y")
	f.equal("added", f.topicsOf(one), "own x y")
	f.userList("a", store.TopicSet, "y", "z")
	f.equal("set", f.topicsOf(one), "own y z")
	f.equal("set, of another device", f.topicsOf(two), "y z")
	f.userList("a", store.TopicRemove, "y", "own", "nothing")
	f.equal("removed", f.topicsOf(one), "z")
	f.userList("", store.TopicAdd, "all")
	f.equal("everybody's, before they register", f.topicsOf(other), "")
	f.registerTopics(registration("", "b", "t3"))
	f.equal("everybody's, after that", f.topicsOf(other), "all")
	f.userList("", store.TopicSet)
	f.equal("everybody's list is gone, not from devices", f.topicsOf(other), "all")
	f.registerTopics(registration("", "b", "t3"))
	f.equal("gone from devices, too", f.topicsOf(other), "")
	f.userList("b", store.TopicSet, "b1")
	f.event(chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "b"}})
	lists, err := f.UserTopics(f.Context(), acme, store.TopicPage{Limit: 10})
	f.must(err)
	f.equal("the lists that are left", lists, []store.UserTopic{{Topic: "z", User: "a"}})
}

// deviceChanges: what a change does not name stays, and it is about those who have one of
// the ids and one of the users.
func deviceChanges(_ *testing.T, f *fixture) {
	f.userList("b", store.TopicSet, "b1")
	one := f.registerTopics(registration("", "a", "t1", "x"))
	two := f.registerTopics(registration("", "a", "t2", "x"))
	three := f.registerTopics(registration("", "b", "t3"))
	change := func(choice store.DeviceChoice, change store.DeviceChange) {
		f.Helper()
		f.must(f.ChangeDevices(f.Context(), acme, choice, change))
	}
	change(store.DeviceChoice{IDs: []chatbell.DeviceID{one, three}, Users: []chatbell.UserID{"a"}}, store.DeviceChange{Locale: new("de")})
	change(store.DeviceChoice{Users: []chatbell.UserID{"a"}}, store.DeviceChange{
		Meta: &map[string]string{"k": "v"}, Timezone: new("Asia/Tokyo"), Topics: &store.TopicChange{Op: store.TopicAdd, Topics: []string{"y"}},
	})
	change(byID(two), store.DeviceChange{User: new(chatbell.UserID("b"))})
	for id, want := range map[chatbell.DeviceID]string{one: "a de Asia/Tokyo map[k:v] [x y]", two: "b  Asia/Tokyo map[k:v] [x y]", three: "b   map[] [b1]"} {
		d := f.only(byID(id))
		f.equal("the device "+string(id), fmt.Sprint(d.User, " ", d.Locale, " ", d.Timezone, " ", d.Meta, " ", d.Topics), want)
	}
	change(byID(two), store.DeviceChange{Topics: &store.TopicChange{Op: store.TopicSet, Topics: []string{"s"}}})
	f.equal("set", f.topicsOf(two), "s")
	f.must(f.RemoveDevices(f.Context(), acme, store.DeviceChoice{IDs: []chatbell.DeviceID{one, two}, Users: []chatbell.UserID{"b"}}))
	f.equal("who was not removed", f.only(store.DeviceChoice{Users: []chatbell.UserID{"a"}}).ID, one)
	n, err := f.CountDevices(f.Context(), acme, store.DeviceChoice{})
	f.must(err)
	f.equal("how many are left", n, int64(2))
	topics, err := f.DeviceTopics(f.Context(), acme, store.TopicPage{Limit: 10})
	f.must(err)
	f.equal("topics of those who are left", len(topics), 3)
}

// ownershipGuard: a change for somebody else changes nothing.
func ownershipGuard(t *testing.T, f *fixture) {
	id := f.registerTopics(registration("", "a", "t1", "x"))
	add := store.TopicChange{Op: store.TopicAdd, Topics: []string{"y"}}
	if err := f.ChangeDeviceTopics(t.Context(), acme, id, "b", add); !errors.Is(err, store.ErrConflict) {
		t.Errorf("somebody else's device: %v", err)
	}
	f.notFound("no device", f.ChangeDeviceTopics(t.Context(), acme, "none", "b", add))
	f.equal("the topics", f.topicsOf(id), "x")
	f.must(f.ChangeDeviceTopics(t.Context(), acme, id, "a", add))
	f.equal("the topics after the owner's", f.topicsOf(id), "x y")
}

// otherViews: a device of one view is seen in the other, with what the other view knows; one
// that changes hands takes no topics along.
func otherViews(t *testing.T, f *fixture) {
	f.userList("b", store.TopicSet, "b1")
	phone := device("phone", "a", "t")
	f.register(phone)
	reg := registration("", "a", "t", "x")
	reg.Device.Provider = phone.Provider
	f.equal("the id of the other view", f.registerTopics(reg), chatbell.DeviceID("phone"))
	got, err := f.Device(t.Context(), acme, "phone")
	f.must(err)
	f.equal("what the other view knows", []any{got.App, got.Sandbox}, []any{phone.App, true})
	f.register(phone)
	f.equal("registered again by its owner", f.topicsOf("phone"), "x")
	phone.User = "b"
	f.register(phone)
	f.equal("registered by somebody else", f.topicsOf("phone"), "b1")
	f.must(f.ChangeDeviceTopics(t.Context(), acme, "phone", "b", store.TopicChange{Op: store.TopicAdd, Topics: []string{"own"}}))
	f.equal("with one of its own", f.topicsOf("phone"), "b1 own")
	if removed, err := f.RemoveDeadDevice(t.Context(), acme, "phone", "t", time.Time{}); err != nil || !removed {
		t.Errorf("the dead token: %t, %v", removed, err)
	}
	topics, err := f.DeviceTopics(t.Context(), acme, store.TopicPage{Limit: 10})
	f.must(err)
	f.equal("topics of a device that is gone", len(topics), 0)
	f.register(phone)
	f.equal("its topics in the next life", f.topicsOf("phone"), "b1")
}

// tooManyTopics: a list that would become too long stays as it was.
func tooManyTopics(t *testing.T, f *fixture) {
	full := make([]string, store.MaxTopics)
	for i := range full {
		full[i] = fmt.Sprintf("t%04d", i)
	}
	id := f.registerTopics(registration("", "a", "t1", full...))
	f.userList("a", store.TopicSet, full...)
	more := store.TopicChange{Op: store.TopicAdd, Topics: []string{"more"}}
	for what, err := range map[string]error{
		"a device": f.ChangeDeviceTopics(t.Context(), acme, id, "", more),
		"a user":   f.ChangeUserTopics(t.Context(), acme, "a", more),
		"devices":  f.ChangeDevices(t.Context(), acme, byID(id), store.DeviceChange{Locale: new("de"), Topics: &more}),
	} {
		if !errors.Is(err, store.ErrTooMany) {
			t.Errorf("one more of %s: %v", what, err)
		}
	}
	got := f.only(byID(id))
	f.equal("the device", []any{len(got.Topics), got.Locale}, []any{store.MaxTopics, ""})
}

// Scheduled are requests that wait for their time.
func Scheduled(t *testing.T, open Open) { tests{"Scheduled": scheduledRequests}.run(t, open) }

func scheduled(network chatbell.NetworkID, id string, due time.Time) store.Scheduled {
	return store.Scheduled{Network: network, Kind: "push", ID: id, Key: "k", DueAt: due.UTC(), Payload: []byte(id)}
}

func scheduledRequests(t *testing.T, f *fixture) {
	ctx := t.Context()
	at := time.UnixMilli(1_800_000_000_000)
	next, err := f.NextScheduled(ctx)
	f.must(err)
	f.equal("when nothing waits", next, time.Time{})
	for i, id := range []string{"later", "soon", "cancelled"} {
		f.must(f.PutScheduled(ctx, scheduled(acme, id, at.Add(-time.Duration(i)*time.Hour))))
	}
	f.must(f.PutScheduled(ctx, scheduled(acme, "later", at)))
	if err := f.PutScheduled(ctx, scheduled(acme, "later", at.Add(1))); err != nil {
		t.Errorf("the same to the millisecond: %v", err)
	}
	if err := f.PutScheduled(ctx, scheduled(acme, "later", at.Add(time.Hour))); !errors.Is(err, store.ErrConflict) {
		t.Errorf("another one with its id: %v", err)
	}
	for _, want := range []bool{true, false} {
		cancelled, err := f.CancelScheduled(ctx, acme, "push", "cancelled")
		f.must(err)
		f.equal("whether it still waited", cancelled, want)
	}
	if gone, err := f.CancelScheduled(ctx, "globex", "push", "later"); err != nil || gone {
		t.Errorf("another network's: %t, %v", gone, err)
	}
	next, err = f.NextScheduled(ctx)
	f.must(err)
	f.equal("when the first is due", next, at.Add(-time.Hour).UTC())
	claim := func(when time.Time, want ...store.Scheduled) {
		t.Helper()
		got, err := f.ClaimScheduled(ctx, when, 10)
		f.must(err)
		f.equal("what is claimed", got, want)
	}
	claim(at.Add(-2 * time.Hour))
	claim(at.Add(-time.Minute), scheduled(acme, "soon", at.Add(-time.Hour)))
	claim(at, scheduled(acme, "soon", at.Add(-time.Hour)), scheduled(acme, "later", at)) // not done yet
	if cancelled, err := f.CancelScheduled(ctx, acme, "push", "soon"); err != nil || cancelled {
		t.Errorf("cancelling what is on its way: %t, %v", cancelled, err)
	}
	f.must(f.PostponeScheduled(ctx, acme, "push", "soon", at.Add(time.Hour)))
	if cancelled, err := f.CancelScheduled(ctx, acme, "push", "soon"); err != nil || !cancelled {
		t.Errorf("cancelling what was given back: %t, %v", cancelled, err)
	}
	f.must(f.ScheduledDone(ctx, acme, "push", "later"))
	claim(at.Add(2 * time.Hour))
}
