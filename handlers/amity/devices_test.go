package amity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chatbell"
)

const success = `{"success":true}`

// register registers a device of FCM.
func (r *rig) register(device, user string) {
	r.t.Helper()
	r.ok(r.app("POST", "/v1/notification", fmt.Sprintf(`{"deviceId":%q,"platform":"android","token":"t-%s","userId":%q,"provider":"fcm"}`, device, device, user)), success)
}

// owner is whose device it is; empty when there is none.
func (r *rig) owner(device string) chatbell.UserID {
	r.t.Helper()
	d, err := r.store.Device(r.t.Context(), "acme", chatbell.DeviceID(device))
	if err != nil && !errors.Is(err, chatbell.ErrNotFound) {
		r.t.Fatal(err)
	}
	return d.User
}

// What Amity's SDKs send becomes a device like any other.
func TestRegister(t *testing.T) {
	r := start(t)
	hex := strings.Repeat("A1", 32)
	for name, c := range map[string]struct {
		body string
		want chatbell.Device
	}{
		"android": {
			`{"deviceId":"d","platform":"android","token":"f0c1","userId":"alice","provider":"fcm"}`,
			chatbell.Device{ID: "d", User: "alice", Provider: "fcm", Platform: "android", Token: "f0c1"},
		},
		"ios of the Flutter SDK": {
			`{"userId":"alice","deviceId":"d","token":"` + hex + `","provider":null,"platform":"iOS"}`,
			chatbell.Device{ID: "d", User: "alice", Provider: "apns", Platform: "ios", Token: strings.ToLower(hex)},
		},
		"ios that says apn": {
			`{"userId":"alice","deviceId":"d","token":"` + hex + `","provider":"apn","platform":"ios"}`,
			chatbell.Device{ID: "d", User: "alice", Provider: "apns", Platform: "ios", Token: strings.ToLower(hex)},
		},
		"ios through FCM": {
			`{"userId":"alice","deviceId":"d","token":"f:0c1","provider":"fcm","platform":"ios"}`,
			chatbell.Device{ID: "d", User: "alice", Provider: "fcm", Platform: "ios", Token: "f:0c1"},
		},
		"no provider": {
			`{"userId":"alice","deviceId":"d","token":"f0c1","platform":"android","somethingNew":{}}`,
			chatbell.Device{ID: "d", User: "alice", Provider: "fcm", Platform: "android", Token: "f0c1"},
		},
		"more than Amity knows": {
			`{"userId":"alice","deviceId":"d","token":"f0c1","platform":"android","app":"com.acme.chat","locale":"de","timezone":"Europe/Berlin"}`,
			chatbell.Device{ID: "d", User: "alice", Provider: "fcm", Platform: "android", Token: "f0c1", App: "com.acme.chat", Locale: "de", Timezone: "Europe/Berlin"},
		},
	} {
		r.ok(r.app("POST", "/v1/notification", c.body), success)
		got, err := r.store.Device(t.Context(), "acme", "d")
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(chatbell.Device{}, "RegisteredAt")); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

// A device has one user; the last registration wins, and unregistering with a user acts
// only for the active one. It needs the client key only: there is no session any more.
func TestOneUserADevice(t *testing.T) {
	r := start(t)
	r.register("d", "alice")
	r.register("d", "bob")
	if got := r.owner("d"); got != "bob" {
		t.Fatalf("the device is %q's, want bob's", got)
	}
	for _, c := range []struct {
		what, path, body string
		want             chatbell.UserID
	}{
		{"alice, in the query", "/v1/notification?deviceId=d&userId=alice", "", "bob"},
		{"alice, in a body", "/v1/notification", `{"userId":"alice","deviceId":"d"}`, "bob"},
		{"alice, in both", "/v1/notification?userId=alice", `{"deviceId":"d"}`, "bob"},
		{"bob, in a body", "/v1/notification", `{"userId":"bob","deviceId":"d"}`, ""},
	} {
		r.ok(r.app("DELETE", c.path, c.body), success)
		if got := r.owner("d"); got != c.want {
			t.Fatalf("%s: afterwards it is %q's, want %q's", c.what, got, c.want)
		}
	}
	for _, c := range [][2]string{{"?deviceId=d", ""}, {"", `{"deviceId":"d"}`}, {"", `{"deviceId":"d","userId":null}`}, {"?deviceId=d&userId=carol", ""}} {
		r.register("d", "carol")
		r.ok(r.app("DELETE", "/v1/notification"+c[0], c[1]), success)
		if got := r.owner("d"); got != "" {
			t.Errorf("%v: it is still %q's", c, got)
		}
	}
	r.fails(r.app("DELETE", "/v1/notification?deviceId=d", ""), 404, 400400)
}

// The same devices as in chatbell's own API, and a user of one network is nobody in another.
func TestNetworksAreApart(t *testing.T) {
	r := start(t)
	r.register("d", "alice")
	r.fails(r.call("DELETE", "/v1/notification?deviceId=d", "", "X-API-Key", otherKey), 404, 400400)
	if got := r.owner("d"); got != "alice" {
		t.Errorf("the device is %q's", got)
	}
}

// Visitors, bots and the banned have no device.
func TestUnreachable(t *testing.T) {
	r := start(t)
	for i, c := range []struct{ event, kind, role string }{
		{"user.didCreate", `"userType":"visitor"`, "amity:visitor"},
		{"user.didUpdate", `"userType":"bot","roles":["helper"]`, "amity:bot"},
		{"user.didUpdate", `"isGlobalBan":true`, "amity:banned"},
		{"user.didBan", `"roles":[]`, "amity:banned"},
	} {
		r.ok(r.app("POST", "/v1/notification", `{"deviceId":"d","platform":"android","token":"t","userId":"mallory"}`), success)
		r.apply(fmt.Sprintf(`{"event":%q,"data":{"users":[{"userId":"mallory",%s}]}}`, c.event, c.kind))
		for _, a := range []answer{
			r.app("POST", "/v1/notification", `{"deviceId":"d","platform":"android","token":"t","userId":"mallory"}`),
			r.user("mallory", "POST", "/api/v3/notification", `{"platform":"android","token":"t"}`),
		} {
			r.fails(a, 403, 400301)
			if !strings.Contains(a.body, c.role) {
				t.Errorf("%s: %s does not say %s", c.kind, a.body, c.role)
			}
		}
		// Without a time of its own it would be the same event as the last time.
		r.apply(fmt.Sprintf(`{"event":"user.didUpdate","data":{"users":[{"userId":"mallory","roles":[],"isGlobalBan":false,"updatedAt":"2026-11-20T10:00:0%dZ"}]}}`, i))
	}
	r.register("d", "mallory") // no longer banned
}

// apply calls as Amity does, and applies the events as the pipeline would.
func (r *rig) apply(body string) {
	r.t.Helper()
	a := r.amity(body)
	if a.status != 200 {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	for _, e := range r.in.take() {
		r.sequence++
		if err := r.store.Apply(r.t.Context(), r.sequence, &e); err != nil {
			r.t.Fatal(err)
		}
	}
}

// With a user's own token the device is that user's, needs no id, and is taken over only
// by who has its push token.
func TestOwnDevice(t *testing.T) {
	r := start(t)
	const path = "/api/v3/notification"
	r.ok(r.user("alice", "POST", path, `{"platform":"android","token":"t","provider":"fcm"}`), success)
	devices := r.devices("alice")
	if len(devices) != 1 {
		t.Fatalf("alice has %d devices", len(devices))
	}
	r.ok(r.user("alice", "POST", path, `{"platform":"android","token":"t","provider":"fcm"}`), success)
	r.ok(r.user("bob", "POST", path, `{"platform":"android","token":"t","provider":"fcm"}`), success)
	if a, b := r.devices("alice"), r.devices("bob"); len(a) != 0 || len(b) != 1 || b[0] != devices[0] {
		t.Errorf("the phone that went to bob: alice has %v, bob %v", a, b)
	}
	r.fails(r.user("alice", "POST", path, `{"deviceId":"`+devices[0]+`","platform":"android","token":"guess"}`), 409, 400315)
	r.fails(r.user("alice", "POST", path, `{"platform":"android","token":"t2","userId":"bob"}`), 403, 400301)
	r.fails(r.user("alice", "DELETE", path, `{"token":"t","userId":"bob"}`), 403, 400301)
	r.ok(r.user("alice", "DELETE", path, `{"token":"t"}`), success)
	if b := r.devices("bob"); len(b) != 1 {
		t.Errorf("alice took bob's device away: %v", b)
	}
	r.ok(r.user("bob", "DELETE", path, `{"token":"t"}`), success)
	if b := r.devices("bob"); len(b) != 0 {
		t.Errorf("bob still has %v", b)
	}
}

// Hostile input gets an error that names the field, whatever it is.
func TestBadDevices(t *testing.T) {
	r := start(t)
	long := strings.Repeat("x", 1001)
	for body, want := range map[string]string{
		`{"platform":"android","token":"t","userId":"a"}`:                                           "'deviceId' field must have 1 to 150",
		`{"deviceId":"` + long[:151] + `","platform":"android","token":"t","userId":"a"}`:           "'deviceId' field must have 1 to 150",
		`{"deviceId":"d\u0000","platform":"android","token":"t","userId":"a"}`:                      "'deviceId' field must not contain control",
		`{"deviceId":5,"platform":"android","token":"t","userId":"a"}`:                              "'deviceId' field must be a string",
		`{"deviceId":"d","platform":"android","token":"t"}`:                                         "'userId' field must have 1 to 150",
		`{"deviceId":"d","platform":"android","token":"t","userId":{}}`:                             "'userId' field must be a string",
		`{"deviceId":"d","token":"t","userId":"a"}`:                                                 "'platform' field must be android or ios",
		`{"deviceId":"d","platform":"windows","token":"t","userId":"a"}`:                            "'platform' field must be android or ios",
		`{"deviceId":"d","platform":"android","userId":"a"}`:                                        "'token' field must have 1 to 1000",
		`{"deviceId":"d","platform":"android","token":"` + long + `","userId":"a"}`:                 "'token' field must have 1 to 1000",
		`{"deviceId":"d","platform":"ios","token":"` + strings.Repeat("a", 402) + `","userId":"a"}`: "'token' field must",
		`{"deviceId":"d","platform":"ios","token":"not hexadecimal","userId":"a"}`:                  "'token' field",
		`{"deviceId":"d","platform":"android","token":"a\nb","userId":"a"}`:                         "'token' field must not contain control",
		`{"deviceId":"d","platform":"android","token":"t","userId":"a","provider":"baidu"}`:         "'provider' field must be a push service of this build: apns, fcm",
		`{"deviceId":"d","platform":"web","token":"t","userId":"a"}`:                                "'provider' field must be a push service",
		`{"deviceId":"d","platform":"android","token":"t","userId":"a","locale":"x y"}`:             "'locale' field must be a BCP 47",
		`{"deviceId":"d","platform":"android","token":"t","userId":"a","timezone":"../etc"}`:        "'timezone' field must be an IANA",
		`{"deviceId":"d","deviceId":"e","platform":"android","token":"t","userId":"a"}`:             "'deviceId' field is given twice",
		`{"deviceId":"d","platform":"android","token":"t","userId":"a","app":"` + long[:151] + `"}`: "'app' field must have at most 150",
		`[]`:                      "The body must be a JSON object",
		`null`:                    "The body must be a JSON object",
		``:                        "The body must be a JSON object",
		`{`:                       "The body must be a JSON object",
		"{\"deviceId\":\"\xff\"}": "The body must be valid UTF-8",
	} {
		if got := r.fails(r.app("POST", "/v1/notification", body), 400, 400000); len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%.80q: %q, want %q", body, got, want)
		}
	}
	for path, c := range map[string]struct{ body, want string }{
		"":                        {``, "'deviceId' field must have 1 to 150"},
		"?userId=a":               {``, "'deviceId' field must have 1 to 150"},
		"?deviceId=d&userId=":     {``, "'userId' field must have 1 to 150"},
		"?deviceId=d":             {`{"userId":""}`, "'userId' field must have 1 to 150"},
		"?deviceId=e":             {`{"deviceId":"d"}`, "'deviceId' field must be the same in the query and in the body"},
		"?deviceId=d&userId=a":    {`{"userId":"b"}`, "'userId' field must be the same in the query and in the body"},
		"?deviceId=d&deviceId=e":  {``, "'deviceId' field is given twice in the query"},
		"?deviceId=d&userId=a%00": {``, "'userId' field must not contain control"},
		"?deviceId=f":             {`[1]`, "The body must be a JSON object"},
	} {
		if got := r.fails(r.app("DELETE", "/v1/notification"+path, c.body), 400, 400000); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s %s: %q, want %q", path, c.body, got, c.want)
		}
	}
}

// A client key registers and unregisters, and can do nothing else.
func TestWhoMayCall(t *testing.T) {
	r := start(t)
	const body = `{"deviceId":"d","platform":"android","token":"t","userId":"a"}`
	r.fails(r.call("POST", "/v1/notification", body), 401, 400100)
	r.fails(r.call("POST", "/v1/notification", body, "X-API-Key", "a-guess"), 401, 400100)
	r.fails(r.app("POST", "/api/v3/notification", body), 403, 400301)
	r.fails(r.app("GET", "/api/v3/notification/setting?level=user&userId=a", ""), 403, 400301)
	r.fails(r.app("GET", "/admin/v1/notification/setting", ""), 403, 400301)
	r.fails(r.user("a", "GET", "/admin/v1/notification/setting", ""), 403, 400301)
	r.fails(r.user("a", "GET", "/api/v3/notification/setting?level=user&userId=b", ""), 403, 400301)
	r.fails(r.user("b", "POST", "/v1/notification", body), 403, 400301)
	r.ok(r.call("POST", "/v1/notification", body, "X-API-Key", serverKey), success)
	r.fails(r.app("GET", "/v1/notification", ""), 405, 400000)
	r.fails(r.app("GET", "/api/v3/notification/settings", ""), 404, 400400)
	for _, secret := range []string{clientKey, serverKey, "a-guess"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log has a credential: %s", r.log)
		}
	}
}
