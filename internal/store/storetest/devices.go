package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

func device(id, user, token string) chatbell.Device {
	return chatbell.Device{
		ID: chatbell.DeviceID(id), User: chatbell.UserID(user), Provider: chatbell.ProviderAPNs, Platform: "ios", Token: token, App: "chat",
		Locale: "ja", Timezone: "Asia/Tokyo", Sandbox: true, Meta: map[string]string{"model": "x"},
	}
}

func (f *fixture) register(d chatbell.Device) chatbell.Device {
	f.Helper()
	got, err := f.RegisterDevice(f.Context(), acme, d)
	f.must(err)
	return got
}

func (f *fixture) deviceIDs(filter store.DeviceFilter) []string {
	f.Helper()
	list, err := f.Devices(f.Context(), acme, filter)
	f.must(err)
	return ids(list, func(d chatbell.Device) chatbell.DeviceID { return d.ID })
}

func devices(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Device(ctx, acme, "d1")
	f.notFound("a device that nobody registered", err)
	before := time.Now().Truncate(time.Millisecond)
	d := f.register(device("d1", "a", "t1"))
	if d.RegisteredAt.Before(before) || d.RegisteredAt.After(time.Now()) {
		t.Errorf("registered at %v", d.RegisteredAt)
	}
	got, err := f.Device(ctx, acme, "d1")
	f.must(err)
	f.equal("the device", got, d)
	if made := f.register(device("", "a", "t2")); made.ID == "" {
		t.Error("no id was made")
	} else if again := f.register(device("", "a", "t3")); again.ID == made.ID {
		t.Error("the same id was made twice")
	}

	// The same device for another user is theirs now; a token that moves is told once.
	f.register(device("d1", "b", "t1"))
	f.equal("b's devices", f.deviceIDs(store.DeviceFilter{User: "b", Limit: 10}), []string{"d1"})
	f.register(device("d9", "b", "t1"))
	f.equal("b's devices after the token moved", f.deviceIDs(store.DeviceFilter{User: "b", Limit: 10}), []string{"d9"})
	other := device("d8", "b", "t1")
	other.App = "other"
	f.register(other) // another app's token is another token
	f.equal("b's devices in two apps", f.deviceIDs(store.DeviceFilter{User: "b", Limit: 10}), []string{"d8", "d9"})
	f.equal("a page", f.deviceIDs(store.DeviceFilter{User: "b", After: "d8", Limit: 10}), []string{"d9"})
	f.equal("a short page", f.deviceIDs(store.DeviceFilter{User: "b", Limit: 1}), []string{"d8"})

	for _, x := range []struct {
		onlyIf chatbell.UserID
		want   bool
	}{{"a", false}, {"b", true}, {"", false}} {
		removed, err := f.DeleteDevice(ctx, acme, "d9", x.onlyIf)
		f.must(err)
		f.equal("removing d9 if it is "+string(x.onlyIf)+"'s", removed, x.want)
	}
	found, err := f.CheckDevices(ctx, acme, []chatbell.DeviceID{"d8", "d9", "nobody's"})
	f.must(err)
	if len(found) != 1 || found["d8"].Token != "t1" {
		t.Errorf("check: %v", found)
	}
}

// tokens: a registration replaces all that was known of the device, and the token
// goes with whoever has registered it last.
func tokens(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.event(inChannel(chatbell.ChannelCreated, "c", "a", "b"))
	told := func(want ...string) {
		t.Helper()
		got := []string{}
		for _, r := range f.page(chatbell.AudienceQuery{Limit: 10}) {
			for _, d := range r.Devices {
				got = append(got, fmt.Sprint(r.User.ID, " ", d.ID, " ", d.Token))
			}
		}
		f.equal("who is told where", got, append([]string{}, want...))
	}
	f.register(device("d2", "a", "t2"))
	f.register(device("d1", "a", "t1"))
	told("a d1 t1", "a d2 t2")
	plain := chatbell.Device{ID: "d1", User: "a", Provider: chatbell.ProviderFCM, Token: "new"}
	plain = f.register(plain)
	got, err := f.Device(ctx, acme, "d1")
	f.must(err)
	f.equal("the device with a new token, and nothing of the old", got, plain)
	told("a d1 new", "a d2 t2")
	if acted, err := f.RemoveDeadDevice(ctx, acme, "d1", "t1", time.Time{}); err != nil || acted {
		t.Errorf("the old token's death took the device: %v", err)
	}
	f.register(device("d1", "b", "t1")) // another person on the same phone
	told("a d2 t2", "b d1 t1")
	f.register(device("d3", "a", "t1")) // the app was installed again, the token stayed
	told("a d2 t2", "a d3 t1")
	for _, other := range []func(*chatbell.Device){
		func(d *chatbell.Device) { d.Provider = chatbell.ProviderFCM }, func(d *chatbell.Device) { d.App = "second" }, func(d *chatbell.Device) { d.Token = "T1" },
	} {
		d := device("", "b", "t1")
		other(&d)
		f.register(d)
	}
	f.equal("how many devices b has with tokens that only look the same", len(f.deviceIDs(store.DeviceFilter{User: "b", Limit: 10})), 3)
	if removed, err := f.DeleteDevice(ctx, acme, "d3", ""); err != nil || !removed {
		t.Errorf("removing d3: %v", err)
	}
	if removed, err := f.DeleteDevice(ctx, acme, "d3", ""); err != nil || removed {
		t.Errorf("removing d3 twice: %v", err)
	}
}

// deviceLists: a list has every device once, page by page, whoever's it is; one
// person's has theirs only.
func deviceLists(_ *testing.T, f *fixture) {
	var all, theirs []string
	for i := range 230 {
		id, user := fmt.Sprintf("d%03d", i), "a"
		if i%3 == 0 {
			user = "b"
			theirs = append(theirs, id)
		}
		f.register(device(id, user, "t"+id))
		all = append(all, id)
	}
	for user, want := range map[chatbell.UserID][]string{"": all, "b": theirs, "nobody": {}} {
		got := []string{}
		for filter := (store.DeviceFilter{User: user, Limit: 50}); ; {
			page := f.deviceIDs(filter)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			filter.After = chatbell.DeviceID(page[len(page)-1])
		}
		f.equal("the devices of "+string(user), got, want)
	}
	found, err := f.CheckDevices(f.Context(), acme, nil)
	f.must(err)
	f.equal("no devices", len(found), 0)
}

func deadTokens(t *testing.T, f *fixture) {
	ctx := t.Context()
	d := f.register(device("d", "a", "t"))
	for _, x := range []struct {
		what, token string
		since       time.Time
		want        bool
	}{
		{"another token", "t0", time.Time{}, false},
		{"dead before it was registered", "t", d.RegisteredAt.Add(-time.Hour), false},
		{"dead when it was registered", "t", d.RegisteredAt, false},
		{"dead since", "t", d.RegisteredAt.Add(time.Second), true},
		{"gone already", "t", d.RegisteredAt.Add(time.Second), false},
	} {
		acted, err := f.RemoveDeadDevice(ctx, acme, "d", x.token, x.since)
		f.must(err)
		f.equal(x.what, acted, x.want)
	}
	f.register(device("d", "a", "t"))
	if acted, err := f.RemoveDeadDevice(ctx, acme, "d", "t", time.Time{}); err != nil || !acted {
		t.Errorf("dead since nobody knows when: %t, %v", acted, err)
	}

	d = f.register(device("d", "a", "t"))
	if acted, err := f.DisableDevice(ctx, acme, "d", "t", d.RegisteredAt, chatbell.InvalidToken); err != nil || acted {
		t.Errorf("disabling what was registered after the try began: %t, %v", acted, err)
	}
	if acted, err := f.EnableDevice(ctx, acme, "d", "t"); err != nil || acted {
		t.Errorf("enabling what is not disabled: %t, %v", acted, err)
	}
	if acted, err := f.DisableDevice(ctx, acme, "d", "t0", time.Time{}, chatbell.InvalidToken); err != nil || acted {
		t.Errorf("disabling another token: %t, %v", acted, err)
	}
	if acted, err := f.DisableDevice(ctx, acme, "d", "t", time.Time{}, chatbell.InvalidToken); err != nil || !acted {
		t.Errorf("disabling: %t, %v", acted, err)
	}
	if got, err := f.Device(ctx, acme, "d"); err != nil || got.Disabled != chatbell.InvalidToken {
		t.Errorf("the disabled device is %+v, %v", got, err)
	}
	if found, err := f.CheckDevices(ctx, acme, []chatbell.DeviceID{"d"}); err != nil || len(found) != 0 {
		t.Errorf("a disabled device would be sent to: %v, %v", found, err)
	}
	if acted, err := f.EnableDevice(ctx, acme, "d", "t0"); err != nil || acted {
		t.Errorf("enabling another token: %t, %v", acted, err)
	}
	if acted, err := f.EnableDevice(ctx, acme, "d", "t"); err != nil || !acted {
		t.Errorf("enabling: %t, %v", acted, err)
	}
	if found, err := f.CheckDevices(ctx, acme, []chatbell.DeviceID{"d"}); err != nil || len(found) != 1 {
		t.Errorf("a device that was enabled again: %v, %v", found, err)
	}
	f.must(second(f.DisableDevice(ctx, acme, "d", "t", d.RegisteredAt.Add(time.Second), chatbell.InvalidToken)))
	f.register(device("d", "a", "t"))
	if found, err := f.CheckDevices(ctx, acme, []chatbell.DeviceID{"d"}); err != nil || len(found) != 1 {
		t.Errorf("a device that registered again: %v, %v", found, err)
	}
}

// ownDevices: whoever may register only their own devices takes nobody else's, and leaves it
// as it is; the push token alone is no device.
func ownDevices(t *testing.T, f *fixture) {
	ctx := t.Context()
	first, err := f.RegisterOwnDevice(ctx, acme, device("d", "a", "t"))
	f.must(err)
	if _, err := f.RegisterOwnDevice(ctx, acme, device("d", "b", "t2")); !errors.Is(err, store.ErrTaken) {
		t.Errorf("taking another user's device: %v", err)
	}
	got, err := f.Device(ctx, acme, "d")
	f.must(err)
	f.equal("the device after that", got, first)
	f.must(second(f.RegisterOwnDevice(ctx, acme, device("d", "a", "t3"))))
	f.must(second(f.RegisterOwnDevice(ctx, acme, device("d2", "b", "t3"))))
	f.equal("a's devices when the app was installed again for b", f.deviceIDs(store.DeviceFilter{User: "a", Limit: 10}), []string{})
}
