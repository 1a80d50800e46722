package storetest

import (
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

	f.register(device("d", "a", "t"))
	if acted, err := f.DisableDevice(ctx, acme, "d", "t0", chatbell.InvalidToken); err != nil || acted {
		t.Errorf("disabling another token: %t, %v", acted, err)
	}
	if acted, err := f.DisableDevice(ctx, acme, "d", "t", chatbell.InvalidToken); err != nil || !acted {
		t.Errorf("disabling: %t, %v", acted, err)
	}
	if got, err := f.Device(ctx, acme, "d"); err != nil || got.Disabled != chatbell.InvalidToken {
		t.Errorf("the disabled device is %+v, %v", got, err)
	}
	if found, err := f.CheckDevices(ctx, acme, []chatbell.DeviceID{"d"}); err != nil || len(found) != 0 {
		t.Errorf("a disabled device would be sent to: %v, %v", found, err)
	}
	f.register(device("d", "a", "t"))
	if found, err := f.CheckDevices(ctx, acme, []chatbell.DeviceID{"d"}); err != nil || len(found) != 1 {
		t.Errorf("a device that registered again: %v, %v", found, err)
	}
}
