package amity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/handlers/amity"
	"chatbell/rules"
)

const (
	usersPath = "/api/v3/notification/setting"
	adminPath = "/admin/v1/notification/setting"
	savedBody = `{"status":"success"}`
)

// What Amity's bodies say is kept in our words, what they do not say stays.
func TestSave(t *testing.T) {
	r := start(t)
	off, on := new(false), new(true)
	for _, c := range []struct {
		body string
		want chatbell.Toggles
	}{
		{`{"level":"user","isPushNotifiable":false}`, chatbell.Toggles{Enabled: off}},
		{`{"level":"user","notifiableEvents":[{"name":"chat","isPushNotifiable":false}]}`, chatbell.Toggles{
			Enabled: off, Modules: []chatbell.ModuleToggle{{Name: "chat", Enabled: off}},
		}},
		{`{"level":"user","isPushNotifiable":true,"notifiableEvents":[{"moduleName":"chat","isPushNotifiable":true,"listenFromRoleIds":["mod"],"ignoreFromRoleIds":["bot"]}]}`, chatbell.Toggles{
			Enabled: on, Modules: []chatbell.ModuleToggle{{Name: "chat", Enabled: on, Roles: chatbell.RoleFilter{Include: []string{"mod"}, Exclude: []string{"bot"}}}},
		}},
		{`{"level":"user","isPushNotifiable":null,"notifiableEvents":[{"name":"social","moduleName":"social","isPushNotifiable":false},{"name":"chat","listenFromRoleIds":[]}]}`, chatbell.Toggles{
			Enabled: on, Modules: []chatbell.ModuleToggle{{Name: "chat", Enabled: on, Roles: chatbell.RoleFilter{Exclude: []string{"bot"}}}, {Name: "social", Enabled: off}},
		}},
		{`{"level":"user","notifiableEvents":[{"name":"chat.newMessage","moduleName":"chat","isPushNotifiable":false},{"name":"video-streaming.didStart","isPushNotifiable":false,"ignoreFromRoleIds":["x"]}]}`, chatbell.Toggles{
			Enabled: on, Modules: []chatbell.ModuleToggle{{Name: "chat", Enabled: on, Roles: chatbell.RoleFilter{Exclude: []string{"bot"}}}, {Name: "social", Enabled: off}},
			Events: []chatbell.EventToggle{{Name: "message.created", Enabled: off}, {Name: "video-streaming.didstart", Enabled: off, Roles: chatbell.RoleFilter{Exclude: []string{"x"}}}},
		}},
		{`{"level":"user","notifiableEvents":[{"name":"message.created","isPushNotifiable":true},{"name":"community.roleAdded","isPushNotifiable":true}]}`, chatbell.Toggles{
			Enabled: on, Modules: []chatbell.ModuleToggle{{Name: "chat", Enabled: on, Roles: chatbell.RoleFilter{Exclude: []string{"bot"}}}, {Name: "social", Enabled: off}},
			Events: []chatbell.EventToggle{{Name: "message.created", Enabled: on}, {Name: "video-streaming.didstart", Enabled: off, Roles: chatbell.RoleFilter{Exclude: []string{"x"}}}, {Name: "community.roleadded", Enabled: on}},
		}},
	} {
		channel := strings.Replace(c.body, `"level":"user"`, `"level":"channel","channelId":"general"`, 1)
		network := strings.Replace(c.body, `"level":"user"`, `"level":"network"`, 1)
		r.ok(r.user("alice", "POST", usersPath, c.body), savedBody)
		r.ok(r.user("alice", "POST", usersPath, channel), savedBody)
		r.ok(r.backend("POST", usersPath, strings.Replace(c.body, "{", `{"userId":"bob",`, 1)), savedBody)
		r.ok(r.backend("POST", adminPath, strings.Replace(channel, "{", `{"userId":"bob",`, 1)), savedBody)
		r.ok(r.backend("POST", adminPath, network), savedBody)
		for user := range map[chatbell.UserID]bool{"alice": true, "bob": true} {
			s, err := r.store.UserSettings(t.Context(), "acme", user)
			if diff := cmp.Diff(c.want, s.Toggles); err != nil || diff != "" {
				t.Errorf("%s, user %s: %v (-want +kept)\n%s", c.body, user, err, diff)
			}
			in, err := r.store.ChannelSettings(t.Context(), "acme", user, "general")
			if diff := cmp.Diff(c.want, in.Toggles); err != nil || diff != "" {
				t.Errorf("%s, channel of %s: %v (-want +kept)\n%s", channel, user, err, diff)
			}
		}
		n, err := r.store.NetworkSettings(t.Context(), "acme")
		if diff := cmp.Diff(c.want, n); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +kept)\n%s", network, err, diff)
		}
	}
	if s, err := r.store.UserSettings(t.Context(), "globex", "alice"); err != nil || s.Enabled != nil {
		t.Errorf("another network's alice has %+v, %v", s, err)
	}
}

// Snooze, quiet hours and mentions only, which Amity does not know, can be said beside
// what it knows, and outlive what an app of Amity's saves.
func TestBeyondAmity(t *testing.T) {
	r := start(t)
	r.ok(r.user("alice", "POST", usersPath, `{"level":"user","snoozeUntil":"2026-11-20T18:00:00Z","quietHours":{"from":"22:00","to":"07:00","timezone":"Europe/Berlin"}}`), savedBody)
	r.ok(r.user("alice", "POST", usersPath, `{"level":"channel","channelId":"c","mentionsOnly":true}`), savedBody)
	r.ok(r.user("alice", "POST", usersPath, `{"level":"user","isPushNotifiable":true,"notifiableEvents":[]}`), savedBody)
	r.ok(r.user("alice", "POST", usersPath, `{"level":"channel","channelId":"c","isPushNotifiable":true}`), savedBody)
	user, err := r.store.UserSettings(t.Context(), "acme", "alice")
	if err != nil || !user.SnoozeUntil.Equal(time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)) || user.QuietHours == nil || user.QuietHours.To != "07:00" {
		t.Errorf("%+v, %v", user, err)
	}
	channel, err := r.store.ChannelSettings(t.Context(), "acme", "alice", "c")
	if err != nil || !channel.MentionsOnly || channel.Enabled == nil {
		t.Errorf("%+v, %v", channel, err)
	}
	for path, want := range map[string]string{
		"?level=user":                `"snoozeUntil":"2026-11-20T18:00:00Z","quietHours":{"from":"22:00","to":"07:00","timezone":"Europe/Berlin"}`,
		"?level=channel&channelId=c": `"mentionsOnly":true`,
	} {
		if a := r.user("alice", "GET", usersPath+path, ""); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	r.ok(r.user("alice", "POST", usersPath, `{"level":"user","snoozeUntil":null,"quietHours":null}`), savedBody)
	if user, err = r.store.UserSettings(t.Context(), "acme", "alice"); err != nil || !user.SnoozeUntil.IsZero() || user.QuietHours != nil {
		t.Errorf("%+v, %v", user, err)
	}
}

// What is read says what is on, at this level and at the network's, and a channel's mode.
func TestRead(t *testing.T) {
	r := start(t)
	type event struct {
		Name, ModuleName           string
		IsPushNotifiable           bool
		IsNetworkEnabled           bool
		ListenFromRoleIDs, Ignored []string
	}
	read := func(a answer) (out struct {
		IsPushNotifiable bool
		IsUserEnabled    *bool
		NotificationMode string
		NotifiableEvents []event
	}, by map[string]event) {
		t.Helper()
		if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		by = map[string]event{}
		for _, e := range out.NotifiableEvents {
			by[e.Name] = e
		}
		return out, by
	}
	got, by := read(r.user("alice", "GET", usersPath+"?level=user", ""))
	if !got.IsPushNotifiable || len(by) != 3 || !by["chat"].IsPushNotifiable || by["video-streaming"].ModuleName != "video-streaming" {
		t.Errorf("at first: %+v", got)
	}
	got, by = read(r.backend("GET", adminPath, ""))
	if !got.IsPushNotifiable || len(by) != 3+12 || by["conversation-text-message.created"].ModuleName != "chat" {
		t.Errorf("the network at first: %+v", got)
	}
	r.ok(r.backend("POST", adminPath, `{"level":"network","notifiableEvents":[{"name":"message.created","isPushNotifiable":false},{"name":"social","isPushNotifiable":false}]}`), savedBody)
	r.ok(r.user("alice", "POST", usersPath, `{"level":"user","notifiableEvents":[{"name":"message.created","isPushNotifiable":true,"listenFromRoleIds":["mod"]},{"name":"post.created","isPushNotifiable":true},{"name":"community.roleAdded","isPushNotifiable":true}]}`), savedBody)
	_, by = read(r.user("alice", "GET", usersPath+"?level=user", ""))
	if e := by["message.created"]; !e.IsPushNotifiable || e.IsNetworkEnabled || len(e.ListenFromRoleIDs) != 1 {
		t.Errorf("message.created: %+v", e)
	}
	if e := by["post.created"]; e.ModuleName != "social" || e.IsNetworkEnabled {
		t.Errorf("post.created: %+v", e)
	}
	if _, ok := by["community.roleAdded"]; !ok {
		t.Errorf("the name is not as Amity writes it: %v", by)
	}
	for i, c := range []struct {
		mode     string
		enabled  string
		readsAs  bool
		userOn   bool
		userWord string
	}{
		{"default", "null", true, true, "true"}, {"default", "false", false, true, "true"}, {"default", "true", true, false, "false"},
		{"silent", "true", false, true, "true"}, {"subscribe", "true", true, true, "true"}, {"subscribe", "false", false, true, "true"},
	} {
		channel := fmt.Sprint("c", i)
		r.apply(fmt.Sprintf(`{"event":"channel.didCreate","data":{"channel":[{"channelId":%q,"notificationMode":%q}]}}`, channel, c.mode))
		r.ok(r.user("alice", "POST", usersPath, fmt.Sprintf(`{"level":"channel","channelId":%q,"isPushNotifiable":%s}`, channel, c.enabled)), savedBody)
		r.ok(r.user("alice", "POST", usersPath, fmt.Sprintf(`{"level":"user","isPushNotifiable":%s}`, c.userWord)), savedBody)
		got, _ := read(r.user("alice", "GET", usersPath+"?level=channel&channelId="+channel, ""))
		if got.IsPushNotifiable != c.readsAs || got.NotificationMode != c.mode || got.IsUserEnabled == nil || *got.IsUserEnabled != c.userOn {
			t.Errorf("%+v: read %+v", c, got)
		}
	}
	got, _ = read(r.user("bob", "GET", usersPath+"?level=channel&channelId=c4", ""))
	if got.IsPushNotifiable {
		t.Error("bob never subscribed and reads as if he had")
	}
}

// between is a store that notices when settings are read while others are between their
// read and their write.
type between struct {
	amity.State
	inside, overlaps atomic.Int64
}

func (b *between) UserSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID) (chatbell.UserSettings, error) {
	if b.inside.Add(1) > 1 {
		b.overlaps.Add(1)
	}
	s, err := b.State.UserSettings(ctx, network, user)
	for range 10 {
		runtime.Gosched() // give others the chance that they must not have
	}
	return s, err
}

func (b *between) PutUserSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, s chatbell.UserSettings) error {
	b.inside.Add(-1)
	return b.State.PutUserSettings(ctx, network, user, s)
}

// Apps of one person that save at once lose nothing of each other's.
func TestSavingAtOnce(t *testing.T) {
	r := start(t)
	watched := &between{State: r.store}
	r.serve(watched)
	names := []string{"message.created", "channel.created", "channel.joined", "image-message.created", "file-message.created", "text-message.created"}
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			for range 20 {
				r.user("alice", "POST", usersPath, fmt.Sprintf(`{"level":"user","notifiableEvents":[{"name":%q,"isPushNotifiable":false}]}`, name))
			}
		})
	}
	all.Wait()
	s, err := r.store.UserSettings(t.Context(), "acme", "alice")
	if err != nil || len(s.Events) != len(names) || watched.overlaps.Load() > 0 {
		t.Errorf("%d of %d were kept, %d times two were between read and write: %+v, %v", len(s.Events), len(names), watched.overlaps.Load(), s, err)
	}
}

// Bad settings name the field, and change nothing.
func TestBadSettings(t *testing.T) {
	r := start(t)
	event := func(what string) string {
		return `{"level":"user","notifiableEvents":[{"name":"chat"},{` + what + `}]}`
	}
	many := strings.TrimSuffix(strings.Repeat(`"r",`, 11), ",")
	for body, want := range map[string]string{
		``:                    "The body must be a JSON object",
		`{}`:                  "'level' field is required",
		`[1]`:                 "JSON object",
		`{"level":"planet"}`:  "'level' field is required: user, channel",
		`{"level":5}`:         "'level' field must be a string",
		`{"level":"network"}`: "'level' field must be user or channel",
		`{"level":"community","communityId":"c"}`:                            "'level' field must be user or channel: chatbell has no communities",
		`{"level":"channel"}`:                                                "'channelId' field must have 1 to 150",
		`{"level":"channel","channelId":"` + strings.Repeat("x", 900) + `"}`: "'channelId' field must have 1 to 150",
		`{"level":"user","channelId":"c"}`:                                   "'level' field must be channel where there is a channelId",
		`{"level":"user","isPushNotifiable":"yes"}`:                          "'isPushNotifiable' field must be true or false",
		`{"level":"user","notifiableEvents":{}}`:                             "'notifiableEvents' field must be an array",
		`{"level":"user","notifiableEvents":[5]}`:                            "'notifiableEvents[0]' field must be an object",
		`{"level":"user","notifiableEvents":[` + strings.TrimSuffix(strings.Repeat(`{},`, 51), ",") + `]}`: "'notifiableEvents' field must have at most 50",
		event(``):                                                                       "'notifiableEvents[1].name' field is required",
		event(`"name":"mesage.created"`):                                                "'notifiableEvents[1].name' field must be one of Amity's events",
		event(`"name":"chat"`):                                                          "'notifiableEvents[1].name' field is given twice",
		event(`"moduleName":"chat"`):                                                    "'notifiableEvents[1].name' field is given twice",
		event(`"name":"message.created","name":"x"`):                                    "'notifiableEvents[1].name' field is given twice",
		event(`"moduleName":"games"`):                                                   "'notifiableEvents[1].moduleName' field must be chat, social",
		event(`"name":"social","moduleName":"chat"`):                                    "'notifiableEvents[1].moduleName' field must be social",
		event(`"name":"message.created","moduleName":"social"`):                         "'notifiableEvents[1].moduleName' field must be chat, the module of message.created",
		event(`"name":"message.created","listenFromRoleIds":[` + many + `]`):            "'notifiableEvents[1].listenFromRoleIds' field must have at most 10",
		event(`"name":"message.created","ignoreFromRoleIds":["a",""]`):                  "'notifiableEvents[1].ignoreFromRoleIds[1]' field must have 1",
		event(`"name":"message.created","ignoreFromRoleIds":["a",5]`):                   "'notifiableEvents[1].ignoreFromRoleIds[1]' field must be a string",
		event(`"name":"message.created","titleTemplate":"%user"`):                       "'notifiableEvents[1].titleTemplate' field cannot be set here",
		event(`"name":"message.created","bodyTemplate":"%user"`):                        "'notifiableEvents[1].bodyTemplate' field cannot be set here",
		`{"level":"user","snoozeUntil":"tomorrow"}`:                                     "'snoozeUntil' field must be an RFC 3339",
		`{"level":"user","quietHours":"night"}`:                                         "'quietHours' field must be an object",
		`{"level":"user","quietHours":{"from":"9:00","to":"25:00"}}`:                    "'quietHours.to' field must be HH:MM",
		`{"level":"user","quietHours":{"from":"09:00","to":"10:00","timezone":"Mars"}}`: "'quietHours.timezone' field must be an IANA",
		`{"level":"user","mentionsOnly":true}`:                                          "'level' field must be channel where mentionsOnly",
		`{"level":"channel","channelId":"c","snoozeUntil":null}`:                        "'level' field must be user where snoozeUntil",
	} {
		if got := strings.Join(r.fails(r.user("alice", "POST", usersPath, body), 400, 400000), "\n"); !strings.Contains(got, want) {
			t.Errorf("%.120s: %q, want %q", body, got, want)
		}
	}
	for path, want := range map[string]string{
		"":                       "'level' field is required",
		"?level=network":         "'level' field must be user or channel",
		"?level=channel":         "'channelId' field must have 1 to 150",
		"?level=community":       "chatbell has no communities",
		"?level=user&level=user": "'level' field is given twice",
	} {
		if got := strings.Join(r.fails(r.user("alice", "GET", usersPath+path, ""), 400, 400000), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	r.fails(r.backend("POST", usersPath, `{"level":"user","isPushNotifiable":false}`), 400, 400000) // whose?
	r.fails(r.backend("GET", adminPath+"?level=user", ""), 400, 400000)
	if s, err := r.store.UserSettings(t.Context(), "acme", "alice"); err != nil || !cmp.Equal(s, chatbell.UserSettings{}) {
		t.Errorf("something was kept: %+v, %v", s, err)
	}
}

// The whole way from Amity's bodies to the decision: what is saved at each level by an app
// or a console is what rules decide by.
func TestFromBodyToDecision(t *testing.T) {
	r := start(t)
	user := 0
	play := func(network, own, channel, mode string, mention bool) rules.Decision {
		t.Helper()
		user++
		id := chatbell.UserID(fmt.Sprint("u", user))
		if err := r.store.PutNetworkSettings(t.Context(), "acme", chatbell.Toggles{}); err != nil {
			t.Fatal(err)
		}
		r.apply(fmt.Sprintf(`{"event":"channel.didCreate","data":{"channel":[{"channelId":"c%d","type":"conversation","notificationMode":%q}],"userIds":[%q]}}`, user, mode, id))
		for level, body := range map[string]string{"network": network, "user": own, "channel": channel} {
			if body == "" {
				continue
			}
			r.ok(r.backend("POST", adminPath, fmt.Sprintf(`{"level":%q,"userId":%q%s,%s}`, level, id, map[bool]string{true: fmt.Sprintf(`,"channelId":"c%d"`, user)}[level == "channel"], body)), savedBody)
		}
		event := chatbell.Event{Type: "message.created", Actor: chatbell.Person{ID: "alice", Roles: []string{"guest"}}, Message: &chatbell.Message{ID: "m", Type: "text"}}
		if mention {
			event.Message.Mentions = []chatbell.UserID{id}
		}
		settings, err := r.store.NetworkSettings(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		in, err := r.store.Channel(t.Context(), "acme", chatbell.ChannelID(fmt.Sprint("c", user)))
		if err != nil {
			t.Fatal(err)
		}
		people, err := r.store.Recipients(t.Context(), "acme", in.ID, []chatbell.UserID{id})
		if err != nil || len(people) != 1 {
			t.Fatalf("%v, %v", people, err)
		}
		return rules.Decide(&rules.Context{Event: &event, Network: settings, Channel: in, Now: r.now}, &people[0])
	}
	const (
		offBody = `"isPushNotifiable":false`
		onBody  = `"isPushNotifiable":true`
	)
	event := func(name, what string) string { return fmt.Sprintf(`"notifiableEvents":[{"name":%q,%s}]`, name, what) }
	for _, c := range []struct {
		network, user, channel, mode string
		mention                      bool
		level                        chatbell.Level
		reason                       chatbell.Reason
	}{
		{"", "", "", "default", false, "", ""},
		{offBody, onBody, onBody, "default", false, "network", "network_off"},
		{"", offBody, onBody, "default", false, "user", "user_off"},
		{"", "", offBody, "default", false, "channel", "channel_off"},
		{event("chat", offBody), onBody, onBody, "default", false, "network", "module_off"},
		{event("social", offBody), "", "", "default", false, "", ""},
		{"", event("chat", offBody), onBody, "default", false, "user", "module_off"},
		{"", event("message.created", offBody), "", "default", false, "user", "event_off"},
		{"", event("conversation-text-message.created", offBody), "", "default", false, "user", "event_off"},
		{"", event("text-message.created", offBody), "", "default", false, "", ""},
		{event("chat", `"ignoreFromRoleIds":["guest"]`), "", "", "default", false, "network", "role_filtered"},
		{"", event("message.created", `"listenFromRoleIds":["moderator"]`), "", "default", false, "user", "role_filtered"},
		{"", event("message.created", `"listenFromRoleIds":["guest"]`), "", "default", false, "", ""},
		{"", "", onBody, "silent", true, "channel", "mode_silent"},
		{"", onBody, "", "subscribe", false, "channel", "not_subscribed"},
		{"", "", onBody, "subscribe", false, "", ""},
		{"", `"snoozeUntil":"2026-11-20T10:01:00Z"`, "", "default", false, "user", "snoozed"},
		{"", `"quietHours":{"from":"09:00","to":"11:00"}`, "", "default", false, "user", "quiet_hours"},
		{"", "", `"mentionsOnly":true`, "default", false, "channel", "mentions_only"},
		{"", "", `"mentionsOnly":true`, "default", true, "", ""},
	} {
		want := rules.Decision{Notify: c.reason == "", Level: c.level, Reason: c.reason}
		if got := play(c.network, c.user, c.channel, c.mode, c.mention); got != want {
			t.Errorf("%+v: decided %+v", c, got)
		}
	}
}
