package push

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/plan"
	provider "chatbell/pipeline/push"
	"chatbell/pipeline/work"
)

// devices is a state with so many devices, of which each tenth is of another provider.
type devices struct {
	count int
	off   bool
}

func (d devices) device(i int) store.TopicDevice {
	made := chatbell.Device{
		ID: chatbell.DeviceID(fmt.Sprintf("d%05d", i)), User: chatbell.UserID(fmt.Sprintf("u%d", i)), Provider: chatbell.ProviderFCM, Token: fmt.Sprintf("t%d", i),
		Locale: []string{"de", "pt-BR", ""}[i%3],
	}
	if i%10 == 9 {
		made.Provider = chatbell.ProviderHMS
	}
	return store.TopicDevice{Device: made}
}

func (d devices) ChosenDevices(_ context.Context, _ chatbell.NetworkID, page store.DevicePage) ([]store.TopicDevice, error) {
	var out []store.TopicDevice
	for i := range d.count {
		one := d.device(i)
		mine := page.Choice.Users == nil
		for _, u := range page.Choice.Users {
			mine = mine || u == one.User
		}
		if mine && one.ID > page.After && len(out) < page.Limit {
			out = append(out, one)
		}
	}
	return out, nil
}

func (d devices) NetworkSettings(context.Context, chatbell.NetworkID) (chatbell.Toggles, error) {
	if d.off {
		return chatbell.Toggles{Enabled: new(false)}, nil
	}
	return chatbell.Toggles{}, nil
}

type network struct{ net *work.Network }

func (n network) Network(id chatbell.NetworkID) (*work.Network, bool) { return n.net, id == n.net.ID }

// planning opens a push for so many devices, with two FCM apps where asked.
func planning(t *testing.T, d devices, limit int, req *Request, apps ...string) plan.Plan {
	t.Helper()
	net := &work.Network{ID: "acme", Pushers: map[work.Credential]provider.Notifier{}}
	for _, app := range apps {
		net.Pushers[work.Credential{Provider: chatbell.ProviderFCM, App: app}] = nil
	}
	p := New(Config{State: d, Networks: network{net}, PageLimit: limit, Expire: time.Hour, Now: func() time.Time { return time.Unix(1, 0) }})
	req.Network = "acme"
	req.ID = "p"
	req.AcceptedAt = time.Unix(1000, 0).UTC()
	payload, err := req.Encode()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := p.Open(t.Context(), &plan.Request{Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// pages plans all pages, each twice, and gives what is in them.
func pages(t *testing.T, p plan.Plan) (batches []*work.Batch, rows []chatbell.Delivery, n int) {
	t.Helper()
	for from := plan.Cursor(""); ; n++ {
		page, err := p.Page(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.Page(t.Context(), from)
		if err != nil || !reflect.DeepEqual(page, again) {
			t.Fatalf("page %d differs when it is planned again: %v", n, err)
		}
		batches = append(batches, page.Batches...)
		rows = append(rows, page.Rows...)
		if page.Last {
			return batches, rows, n + 1
		}
		from = page.Next
	}
}

var message = map[chatbell.Provider]Block{chatbell.ProviderFCM: {Payload: json.RawMessage(`{"data":{"k":"v"}}`)}}

// Every device is told once, by batches that are full, however many pages there are; what
// there is no payload for has a row.
func TestPages(t *testing.T) {
	for _, limit := range []int{7, 300, 1000, 5000} {
		batches, rows, n := pages(t, planning(t, devices{count: 1000}, limit, &Request{To: &store.DeviceChoice{}, Blocks: message}, "app"))
		if want := 1000/limit + 1; n != want {
			t.Errorf("by %d: %d pages, want %d", limit, n, want)
		}
		told := map[chatbell.DeviceID]bool{}
		for _, b := range batches {
			if len(b.Targets) > work.MaxBatch || b.Push.Kind != provider.Raw || string(b.Push.Payload) != `{"data":{"k":"v"}}` || b.Destination.App != "app" || !b.Notification.ExpiresAt.Equal(time.Unix(4600, 0)) {
				t.Fatalf("a batch is %+v", b)
			}
			for _, target := range b.Targets {
				told[target.Device] = true
				if got, want := b.Texts[target.Text].Locale, []string{"de", "pt-BR", ""}[number(target.Device)%3]; got != want {
					t.Errorf("%s has the language %q, want %q", target.Device, got, want)
				}
			}
		}
		if len(told) != 900 || len(rows) != 100 || rows[0].Reason != chatbell.NoDevice || !strings.Contains(rows[0].ProviderReason, "hms") {
			t.Errorf("by %d: %d told, %d rows, of which the first is %+v", limit, len(told), len(rows), rows[0])
		}
		if limit == 1000 && len(batches) != 4 {
			t.Errorf("%d batches for 900 devices", len(batches))
		}
	}
}

func number(id chatbell.DeviceID) (n int) {
	_, _ = fmt.Sscanf(string(id), "d%d", &n)
	return n
}

// Templates are written for each device; those that come out the same share a batch.
func TestTemplatesByDevice(t *testing.T) {
	localizations := map[string]map[string]string{"pt": {"hi": "Oi"}}
	for payload, want := range map[string]int{`{"data":{"hi":"{{default [[Hi]] .l10n.hi}}"}}`: 2, `{"data":{"u":"{{.device.user}}"}}`: 90, `{"data":{"u":"x"}}`: 1} {
		req := &Request{To: &store.DeviceChoice{}, Templating: true, Localizations: localizations, Blocks: map[chatbell.Provider]Block{chatbell.ProviderFCM: {Payload: json.RawMessage(payload)}}}
		batches, _, _ := pages(t, planning(t, devices{count: 100}, 1000, req, "app"))
		if len(batches) != want {
			t.Errorf("%s: %d batches, want %d", payload, len(batches), want)
		}
	}
}

// Who cannot be told has a row that says why.
func TestRows(t *testing.T) {
	tokens := []Token{{chatbell.ProviderFCM, "a"}, {chatbell.ProviderFCM, "b"}, {chatbell.ProviderFCM, "a"}}
	for name, x := range map[string]struct {
		state devices
		req   *Request
		apps  []string
		told  int
		rows  string
	}{
		"network off":     {devices{count: 2, off: true}, &Request{To: &store.DeviceChoice{}, Blocks: message}, []string{"app"}, 0, "suppressed network_off network u0,suppressed network_off network u1"},
		"nobody there":    {devices{}, &Request{To: &store.DeviceChoice{Topics: []string{"x"}}, Blocks: message}, []string{"app"}, 0, "suppressed no_device device "},
		"some of them":    {devices{count: 2}, &Request{To: &store.DeviceChoice{Users: []chatbell.UserID{"u1", "x"}}, Blocks: message}, []string{"app"}, 1, "suppressed no_device device x"},
		"an id of nobody": {devices{}, &Request{To: &store.DeviceChoice{IDs: []chatbell.DeviceID{"x"}}, Blocks: message}, []string{"app"}, 0, "suppressed no_device device "},
		"no credential":   {devices{count: 1}, &Request{To: &store.DeviceChoice{}, Blocks: message}, nil, 0, "failed auth  u0"},
		"two credentials": {devices{count: 1}, &Request{To: &store.DeviceChoice{}, Blocks: message}, []string{"app", "other"}, 0, "failed auth  u0"},
		"one of them named": {devices{count: 1}, &Request{To: &store.DeviceChoice{}, Blocks: map[chatbell.Provider]Block{chatbell.ProviderFCM: {Payload: []byte(`{}`), App: "other"}}},
			[]string{"app", "other"}, 1, ""},
		"tokens": {devices{}, &Request{Tokens: tokens, Blocks: message}, []string{"app"}, 2, ""},
		"an index into a text": {devices{count: 1}, &Request{To: &store.DeviceChoice{}, Templating: true, Blocks: map[chatbell.Provider]Block{
			chatbell.ProviderFCM: {Payload: []byte(`{"a":"{{index .l10n.a 5}}"}`)}}}, []string{"app"}, 0, "failed rejected  u0"},
	} {
		for _, limit := range []int{1, 100} {
			batches, rows, _ := pages(t, planning(t, x.state, limit, x.req, x.apps...))
			told := map[chatbell.UUID]bool{}
			for _, b := range batches {
				for i := range b.Targets {
					id := b.DeliveryID(&b.Targets[i])
					if told[id] {
						t.Errorf("%s, by %d: a target is told twice", name, limit)
					}
					told[id] = true
				}
			}
			var said []string
			for _, row := range rows {
				said = append(said, fmt.Sprint(row.Outcome, " ", row.Reason, " ", row.Level, " ", row.UserID))
			}
			if len(told) != x.told || strings.Join(said, ",") != x.rows {
				t.Errorf("%s, by %d: %d told, %q; want %d, %q", name, limit, len(told), said, x.told, x.rows)
			}
		}
	}
}

// A request that nobody can read is given up, not tried for ever.
func TestUnreadable(t *testing.T) {
	p := New(Config{State: devices{}, Networks: network{&work.Network{ID: "acme"}}, PageLimit: 10, Expire: time.Hour, Now: time.Now})
	for _, payload := range []string{`{`, `{"network":"gone"}`, `{"network":"acme","templating":true,"blocks":{"fcm":{"payload":{"a":"{{"}}}}`} {
		if _, err := p.Open(t.Context(), &plan.Request{Payload: []byte(payload)}); err == nil || !work.IsPermanent(err) {
			t.Errorf("%s: %v", payload, err)
		}
	}
	if _, err := (&Request{Tokens: []Token{{Token: strings.Repeat("x", MaxRequest)}}}).Encode(); err == nil {
		t.Error("a request that the broker does not take was written")
	}
}
