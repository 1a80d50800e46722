package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/internal/app/apptest"
	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

// startAmity starts a server whose networks have a webhook at Amity.
func startAmity(t *testing.T, networks ...sandbox.Network) *apptest.World {
	t.Helper()
	w := apptest.New(t, apptest.Config{Networks: networks})
	w.Configure(withAmity(w.Configuration()))
	w.Start()
	return w
}

// A client that is written from Amity's documents alone finds in chatbell what it expects.
func TestAmityClient(t *testing.T) {
	t.Parallel()
	w := startAmity(t, sandbox.Network{ID: "acme", Key: apptest.Key, NoWebhook: true})
	a := newAmity(t, w, "acme", apptest.Key)
	fcm := "fcm"
	a.register(registration{DeviceID: "bob-pixel", Platform: "android", Token: "token-of-bob", UserID: "bob", Provider: &fcm})
	a.register(registration{DeviceID: "carol-iphone", Platform: "iOS", Token: strings.ToUpper(apptest.Token(7)), UserID: "carol"})

	a.hook(`{"event":"channel.didCreate","data":{"channel":[{"channelId":"c","displayName":"Chat","type":"conversation","createdAt":"2026-11-20T08:00:00.000Z"}],"userIds":["alice","bob","carol"],"users":[]}}`)
	// arrives says whom a message that Alice writes reaches.
	arrives := func(id, text string) (tokens []string) {
		t.Helper()
		body := fmt.Sprintf(`{"event":"message.didCreate","data":{"messages":[{"messageId":%q,"channelId":"c","userId":"alice","type":"text","data":{"text":%q},"createdAt":"2026-11-20T09:00:00.000Z"}],"users":[{"userId":"alice","displayName":"Alice"}]}}`, id, text)
		ids, took := a.hook(body)
		if len(ids) != 1 || took > webhookBudget && took > polltest.Patience/4 { // lax: the machine is not ours alone
			t.Errorf("%d events after %s", len(ids), took)
		}
		w.Answers(fmt.Sprintf("SELECT count() FROM deliveries WHERE network = 'acme' AND event_id = '%s' AND user_id != 'alice'", ids[0]), "2")
		for _, n := range w.Box.Notifications(sandbox.Query{}) {
			if n.Body == text {
				tokens = append(tokens, n.Device)
			}
		}
		slices.Sort(tokens)
		return tokens
	}
	is := func(what string, got []string, want ...string) {
		t.Helper()
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: it arrived at %q, want %q", what, got, want)
		}
	}
	iphone := apptest.Token(7)
	is("both", arrives("m1", "one"), "token-of-bob", iphone)

	a.save("bob", map[string]any{"level": "user", "isPushNotifiable": false})
	is("bob off", arrives("m2", "two"), iphone)
	a.save("bob", map[string]any{"level": "user", "isPushNotifiable": true, "notifiableEvents": []any{map[string]any{"name": "chat", "isPushNotifiable": false}}})
	is("bob's chats off", arrives("m3", "three"), iphone)
	a.save("bob", map[string]any{"level": "user", "notifiableEvents": []any{map[string]any{"name": "chat", "isPushNotifiable": true}}})
	a.save("carol", map[string]any{"level": "channel", "channelId": "c", "isPushNotifiable": false})
	is("carol's channel off", arrives("m4", "four"), "token-of-bob")
	if s := a.settings("carol", "level=channel&channelId=c"); s.IsPushNotifiable {
		t.Error("the channel reads as on")
	}
	if s := a.settings("bob", "level=user"); !s.IsPushNotifiable || len(s.NotifiableEvents) != 3 || s.NotifiableEvents[0].Name != "chat" || !s.NotifiableEvents[0].IsNetworkEnabled {
		t.Errorf("bob's settings: %+v", s)
	}
	a.saveNetwork(map[string]any{"level": "network", "notifiableEvents": []any{map[string]any{"name": "conversation-text-message.created", "isPushNotifiable": false}}})
	is("texts in conversations off", arrives("m5", "five"))
	a.saveNetwork(map[string]any{"level": "network", "notifiableEvents": []any{map[string]any{"name": "conversation-text-message.created", "isPushNotifiable": true}}})

	// Carol logs in on Bob's phone: it is hers now, and Bob's logout does nothing.
	a.save("carol", map[string]any{"level": "channel", "channelId": "c", "isPushNotifiable": true})
	a.register(registration{DeviceID: "bob-pixel", Platform: "android", Token: "token-of-bob", UserID: "carol", Provider: &fcm})
	a.unregister("bob-pixel", "bob")
	body := `{"event":"message.didCreate","data":{"messages":[{"messageId":"m6","channelId":"c","userId":"bob","type":"text","data":{"text":"six"}}]}}`
	ids, _ := a.hook(body)
	w.Answers(fmt.Sprintf("SELECT arraySort(groupArray((user_id, device_id))) FROM deliveries WHERE network = 'acme' AND event_id = '%s' AND outcome = 'accepted'", ids[0]),
		"[('carol','bob-pixel'),('carol','carol-iphone')]")
	a.unregisterByQuery("bob-pixel")
	is("after the logout", arrives("m7", "seven"), iphone)

	if again, _ := a.hook(body); !slices.Equal(again, ids) {
		t.Errorf("the same call came to %v, then %v", ids, again)
	}
	bad := a.send("POST", "/v1/notification", registration{DeviceID: "d", Platform: "android", UserID: "bob"}, nil, "X-API-Key", a.apiKey)
	if bad == nil || bad.Code != 400000 || len(bad.Data.Detail) != 1 || !strings.Contains(bad.Data.Detail[0], "'token'") {
		t.Errorf("a registration without a token: %+v", bad)
	}
	if bad := a.send("POST", "/v1/notification", registration{}, nil, "X-API-Key", "wrong"); bad == nil || bad.Code != 400100 {
		t.Errorf("with a wrong key: %+v", bad)
	}
	w.Stop()
}

// The network's switch works at once, also on what waits for a push service that is away.
func TestAmityNetworkOff(t *testing.T) {
	t.Parallel()
	w := startAmity(t, sandbox.Network{ID: "acme", Key: apptest.Key, NoWebhook: true})
	a := newAmity(t, w, "acme", apptest.Key)
	a.register(registration{DeviceID: "d", Platform: "android", Token: "token-of-bob", UserID: "bob"})
	a.hook(`{"event":"channel.didCreate","data":{"channel":{"channelId":"c"},"userIds":["alice"]}}`)
	a.hook(`{"event":"channel.didAddUsers","data":{"channel":{"channelId":"c"},"userIds":["bob"],"adderId":"alice"}}`)
	if _, err := w.Box.Fail(sandbox.Failure{Provider: sandbox.ProviderFCM, Status: 503}); err != nil {
		t.Fatal(err)
	}
	ids, _ := a.hook(`{"event":"message.didCreate","data":{"messages":[{"messageId":"m","channelId":"c","userId":"alice","type":"text","data":{"text":"x"}}]}}`)
	of := fmt.Sprintf("network = 'acme' AND event_id = '%s' AND user_id = 'bob'", ids[0])
	w.Answers("SELECT count() > 0 FROM attempts WHERE "+of, "1")
	w.Answers("SELECT count() FROM deliveries WHERE "+of, "0") // it waits
	a.saveNetwork(map[string]any{"level": "network", "isPushNotifiable": false})
	w.Box.ClearFailures()
	w.Answers("SELECT concat(toString(outcome), ' ', toString(level), ' ', toString(reason)) FROM deliveries WHERE "+of, "suppressed network network_off")
	if got := w.Box.Notifications(sandbox.Query{}); len(got) != 0 {
		t.Errorf("%d notifications were sent", len(got))
	}
	ids, _ = a.hook(`{"event":"message.didCreate","data":{"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text","data":{"text":"x"}}]}}`)
	w.Answers(fmt.Sprintf("SELECT toString(reason) FROM deliveries WHERE network = 'acme' AND event_id = '%s' AND user_id = 'bob'", ids[0]), "network_off")
	w.Stop()
}

// day is the demo's, played for two networks.
type day struct {
	steps   []dayStep
	stories map[string]*scenario // by the network's name in the script
}

type dayStep struct {
	Say, Network, Method, Path, User string
	Body                             json.RawMessage
}

func readDay(t *testing.T, file, suffix string) *day {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := &day{stories: map[string]*scenario{}}
	for line := range bytes.Lines(data) {
		var step dayStep
		if err := json.Unmarshal(line, &step); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		d.steps = append(d.steps, step)
		if d.stories[step.Network] == nil {
			d.stories[step.Network] = &scenario{file: file, network: sandbox.Network{ID: chatbell.NetworkID(step.Network + suffix)}}
		}
	}
	return d
}

// played waits until an event's rows are recorded, of each person whom it concerned.
func played(w *apptest.World, network chatbell.NetworkID, event string) {
	of := fmt.Sprintf("WHERE network = '%s' AND event_id = '%s'", network, event)
	w.Answers("SELECT (SELECT (count(), max(audience)) FROM events "+of+") = (SELECT (1, toUInt32(uniqExact(user_id))) FROM deliveries "+of+")", "1")
}

type dayPhone struct {
	Network, User, Provider, Platform, Locale, Token string
	DeviceID                                         string `json:"device_id"`
	Dead                                             bool
}

// The demo's day, told by Amity's webhooks and apps, comes to the same notifications and
// the same reasons as told by our own API.
func TestAmityDay(t *testing.T) {
	t.Parallel()
	networks := []sandbox.Network{
		{ID: "acme", Key: "acme-backend-key-0123456789", NoWebhook: true}, {ID: "globex", Key: "globex-backend-key-0123456789", Delivery: chatbell.DeliverWebhook},
		{ID: "acme-amity", Key: "acme-amity-backend-key-0123456789", NoWebhook: true}, {ID: "globex-amity", Key: "globex-amity-backend-key-0123456789", Delivery: chatbell.DeliverWebhook},
	}
	w := startAmity(t, networks...)
	keys := map[string]string{}
	for _, n := range networks {
		keys[string(n.ID)] = n.Key
	}
	var phones []dayPhone
	data, err := os.ReadFile("../../testdata/demo/phones.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &phones); err != nil {
		t.Fatal(err)
	}
	native := readDay(t, "../../testdata/demo/day.ndjson", "")
	other := readDay(t, "../../testdata/amity/day.ndjson", "-amity")
	for _, p := range phones {
		if p.Dead {
			if _, err := w.Box.Fail(sandbox.Failure{Target: p.Token, Dead: true, DeadSince: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		w.As(keys[p.Network], func() {
			status, answer := w.Call("POST", "/v1/devices", event{"device_id": p.DeviceID, "user": p.User, "provider": p.Provider, "platform": p.Platform, "token": p.Token, "locale": p.Locale})
			if status != 200 {
				t.Fatalf("register: %d %s", status, answer)
			}
		})
		newAmity(t, w, p.Network+"-amity", "").register(registration{DeviceID: p.DeviceID, Platform: p.Platform, Token: p.Token, UserID: p.User, Provider: &p.Provider, Locale: p.Locale})
	}
	t.Run("days", func(t *testing.T) {
		t.Run("native", func(t *testing.T) {
			t.Parallel()
			native.tell(t, w, keys)
		})
		t.Run("amity", func(t *testing.T) {
			t.Parallel()
			other.tellAmity(t, w)
		})
	})
	rows := 0
	for name, story := range native.stories {
		var want, got [][]string
		polltest.Wait(t, func() bool { // one person may have several rows
			want = numbered(story, story.delivered(t, w))
			got = numbered(other.stories[name], other.stories[name].delivered(t, w))
			return cmp.Equal(want, got)
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-native +amity)\n%s", name, diff)
		}
		rows += len(got)
	}
	if rows < 40 {
		t.Errorf("only %d rows were compared", rows)
	}
	w.Stop()
}

// tell plays a day through our own API.
func (d *day) tell(t *testing.T, w *apptest.World, keys map[string]string) {
	t.Helper()
	for _, step := range d.steps {
		story := d.stories[step.Network]
		b := w.Backend(t, keys[step.Network])
		if step.Path != "" {
			if status, answer := b.Call(step.Method, step.Path, []byte(step.Body)); status != 200 {
				t.Fatalf("%s: %d %s", step.Say, status, answer)
			}
			continue
		}
		var e event
		if err := json.Unmarshal(step.Body, &e); err != nil {
			t.Fatal(err)
		}
		b.Post(e)
		story.events = append(story.events, fmt.Sprint(e["id"]))
		played(b, story.network.ID, story.events[len(story.events)-1])
	}
}

// tellAmity plays it as Amity and its users' apps do.
func (d *day) tellAmity(t *testing.T, w *apptest.World) {
	t.Helper()
	for _, step := range d.steps {
		story := d.stories[step.Network]
		a := newAmity(t, w, string(story.network.ID), "")
		if step.Path != "" {
			a.save(step.User, step.Body)
			continue
		}
		ids, _ := a.hook(string(step.Body))
		if len(ids) != 1 {
			t.Fatalf("%s: %d events", step.Say, len(ids))
		}
		story.events = append(story.events, ids[0])
		played(w.Backend(t, ""), story.network.ID, ids[0])
	}
}

// numbered puts the number of an event in its id's place.
func numbered(s *scenario, rows [][]string) [][]string {
	for _, row := range rows {
		row[0] = fmt.Sprint(slices.Index(s.events, row[0]))
	}
	return rows
}
