package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatbell"
	"chatbell/internal/store"
)

// deed is a write that was drawn.
type deed struct {
	what string
	do   func(ctx context.Context, f *fixture, n chatbell.NetworkID) error
}

// deeds draws writes of all kinds that could change an audience, of a few people, devices
// and channels, so that they meet.
var deeds = rapid.Custom(func(rt *rapid.T) deed {
	user := rapid.SampledFrom([]chatbell.UserID{"a", "b", "d"}).Draw(rt, "user")
	channel := rapid.SampledFrom([]chatbell.ChannelID{"c", "c2"}).Draw(rt, "channel")
	name := rapid.SampledFrom([]string{"", "N1", "N2"}).Draw(rt, "name")
	phone := device(rapid.SampledFrom([]string{"d1", "d2", "d3"}).Draw(rt, "device"), string(user), rapid.SampledFrom([]string{"t1", "t2"}).Draw(rt, "token"))
	on := chatbell.Toggles{Enabled: new(name == "")}
	if rapid.IntRange(0, 3).Draw(rt, "event or call") == 0 {
		kind := rapid.SampledFrom(ofAll).Draw(rt, "event")
		return deed{string(kind), func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			f.seq++
			e := inChannel(kind, string(channel), string(user))
			e.Members[0].Name = name
			e.User = &e.Members[0]
			return f.Apply(ctx, f.seq, &chatbell.Envelope{Network: n, Event: e})
		}}
	}
	return rapid.SampledFrom([]deed{
		{"PutUser", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return f.PutUser(ctx, n, chatbell.User{ID: user, Name: name})
		}},
		{"DeleteUser", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error { return f.DeleteUser(ctx, n, user) }},
		{"PutMember", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return f.PutMember(ctx, n, channel, chatbell.Member{User: chatbell.User{ID: user, Name: name}})
		}},
		{"DeleteMember", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return f.DeleteMember(ctx, n, channel, user)
		}},
		{"ReplaceMembers", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return second(f.ReplaceMembers(ctx, n, channel, sequence([]string{string(user), "e"}, nil)))
		}},
		{"DeleteChannel", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return f.DeleteChannel(ctx, n, channel)
		}},
		{"RegisterDevice", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return second(f.RegisterDevice(ctx, n, phone))
		}},
		{"RegisterDevice again", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return second(f.RegisterDevice(ctx, n, phone))
		}},
		{"DeleteDevice", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return second(f.DeleteDevice(ctx, n, phone.ID, ""))
		}},
		{"RemoveDeadDevice", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return second(f.RemoveDeadDevice(ctx, n, phone.ID, phone.Token, time.Time{}))
		}},
		{"DisableDevice", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return second(f.DisableDevice(ctx, n, phone.ID, phone.Token, time.Time{}, chatbell.InvalidToken))
		}},
		{"EnableDevice", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return second(f.EnableDevice(ctx, n, phone.ID, phone.Token))
		}},
		{"RegisterOwnDevice", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			if err := second(f.RegisterOwnDevice(ctx, n, phone)); !errors.Is(err, store.ErrTaken) {
				return err
			}
			return nil
		}},
		{"RegisterWithTopics", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			other := store.Registration{Device: phone, NewID: "new", Made: true}
			other.Device.Locale = name
			return second(f.RegisterWithTopics(ctx, n, other))
		}},
		{"ChangeDevices", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return f.ChangeDevices(ctx, n, byID(phone.ID), store.DeviceChange{User: &user, Locale: &name})
		}},
		{"RemoveDevices", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return f.RemoveDevices(ctx, n, store.DeviceChoice{Users: []chatbell.UserID{user}})
		}},
		{"PutUserSettings", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return f.PutUserSettings(ctx, n, user, chatbell.UserSettings{Toggles: on})
		}},
		{"PutChannelSettings", func(ctx context.Context, f *fixture, n chatbell.NetworkID) error {
			return f.PutChannelSettings(ctx, n, user, channel, chatbell.ChannelSettings{Toggles: on})
		}},
	}).Draw(rt, "call")
})

// anew is a channel's audience put together without asking for it: its members as they
// are listed, each read by the id.
func (f *fixture) anew(ctx context.Context, n chatbell.NetworkID, channel chatbell.ChannelID) ([]chatbell.Recipient, error) {
	members, err := f.Members(ctx, n, channel, "", 100)
	if err != nil {
		return nil, err
	}
	list := make([]chatbell.UserID, len(members))
	for i := range members {
		list[i] = members[i].ID
	}
	return f.Recipients(ctx, n, channel, list)
}

// inEffect: whatever was written, however often the audience was read before, the next
// audience is as if it had never been read.
func inEffect(t *testing.T, f *fixture) {
	ctx := t.Context()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		n := chatbell.NetworkID(fmt.Sprint("n", run))
		for _, d := range rapid.SliceOfN(deeds, 10, 30).Draw(rt, "deeds") {
			if err := d.do(ctx, f, n); err != nil && !errors.Is(err, chatbell.ErrNotFound) {
				rt.Fatalf("%s: %v", d.what, err)
			}
			for _, channel := range []chatbell.ChannelID{"c", "c2"} {
				want, err := f.anew(ctx, n, channel)
				if err != nil {
					rt.Fatal(err)
				}
				got, err := f.Audience(ctx, chatbell.AudienceQuery{Network: n, Channel: channel, Limit: 10})
				if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
					rt.Fatalf("the audience of %s after %s is\n%+v, %v; want\n%+v", channel, d.what, got, err, want)
				}
				if len(got) > 1 {
					rest, err := f.Audience(ctx, chatbell.AudienceQuery{Network: n, Channel: channel, After: got[0].User.ID, Limit: 1})
					if err != nil || !reflect.DeepEqual(rest, got[1:2]) {
						rt.Fatalf("its second page is %+v, %v; want %+v", rest, err, got[1:2])
					}
				}
				for i := range got { // the slice is the reader's
					got[i] = chatbell.Recipient{}
				}
			}
		}
	})
}

// inEffectBeside: a write that has returned is seen by whoever reads then, also while
// others never stop reading.
func inEffectBeside(t *testing.T, f *fixture) {
	ctx := t.Context()
	query := chatbell.AudienceQuery{Network: acme, Channel: "c", Limit: 10}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := f.Audience(ctx, query); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	f.must(f.PutMember(ctx, acme, "c", chatbell.Member{User: chatbell.User{ID: "a"}}))
	for i := range 200 {
		name := fmt.Sprint("N", i)
		f.must(f.PutUser(ctx, acme, chatbell.User{ID: "a", Name: name}))
		got, err := f.Audience(ctx, query)
		if err != nil || len(got) != 1 || got[0].User.Name != name {
			t.Errorf("put %s, read %+v, %v", name, got, err)
		}
	}
	close(stop)
	wg.Wait()
}
