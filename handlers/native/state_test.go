package native_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// same compares an answer with JSON, whatever the order of the keys.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%s: %s: %v", what, got, err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	if x, y := fmt.Sprint(a), fmt.Sprint(b); x != y {
		t.Errorf("%s is\n  %s, want\n  %s", what, got, want)
	}
}

func TestUsers(t *testing.T) {
	r := start(t)
	r.problem(r.do(request{method: "GET", path: "/v1/users/alice"}), 404)
	same(t, "the put user", r.ok("PUT", "/v1/users/alice", `{"id":"alice","name":"Alice","locale":"pt-BR","timezone":"Europe/Berlin","roles":["a"],"shoe":43}`).body,
		`{"id":"alice","name":"Alice","locale":"pt-BR","timezone":"Europe/Berlin","roles":["a"]}`)
	same(t, "the user", r.ok("GET", "/v1/users/alice", "").body, `{"id":"alice","name":"Alice","locale":"pt-BR","timezone":"Europe/Berlin","roles":["a"]}`)
	if a := r.ok("DELETE", "/v1/users/alice", ""); a.status != 204 {
		t.Errorf("delete: %d", a.status)
	}
	r.problem(r.do(request{method: "DELETE", path: "/v1/users/alice"}), 404)
	odd := "/v1/users/" + url.PathEscape("a/b ü?#%")
	same(t, "an odd id", r.ok("PUT", odd, `{}`).body, `{"id":"a/b ü?#%"}`)
	same(t, "an odd id again", r.ok("GET", odd, "").body, `{"id":"a/b ü?#%"}`)
}

func TestChannelsAndMembers(t *testing.T) {
	r := start(t)
	same(t, "the put channel", r.ok("PUT", "/v1/channels/c", `{"name":"General"}`).body, `{"id":"c","name":"General","notification_mode":"default"}`)
	r.ok("PUT", "/v1/channels/c", `{"name":"General","type":"community","notification_mode":"silent"}`)
	same(t, "the channel", r.ok("GET", "/v1/channels/c", "").body, `{"id":"c","name":"General","type":"community","notification_mode":"silent"}`)
	same(t, "a member", r.ok("PUT", "/v1/channels/c/members/bob", `{"name":"Bob","roles":["mod"]}`).body, `{"id":"bob","name":"Bob","roles":["mod"]}`)
	r.ok("PUT", "/v1/channels/c/members/alice", "")
	same(t, "the members", r.ok("GET", "/v1/channels/c/members", "").body, `{"members":[{"id":"alice"},{"id":"bob","name":"Bob","roles":["mod"]}]}`)
	r.ok("DELETE", "/v1/channels/c/members/alice", "")
	r.problem(r.do(request{method: "DELETE", path: "/v1/channels/c/members/alice"}), 404)
	r.problem(r.do(request{method: "GET", path: "/v1/channels/unknown/members"}), 404)
	r.ok("DELETE", "/v1/channels/c", "")
	r.problem(r.do(request{method: "GET", path: "/v1/channels/c"}), 404)
}

// The bulk list makes the members exactly these; a bad line changes nothing.
func TestBulkMembers(t *testing.T) {
	const n = 2500
	r := start(t)
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "{\"id\":\"m%04d\",\"locale\":\"de\"}\n", i)
	}
	bulk := func(body string) answer {
		return r.do(request{method: "PUT", path: "/v1/channels/c/members", body: body, media: "application/x-ndjson"})
	}
	same(t, "the answer", bulk(list.String()).body, `{"members":2500}`)
	var got []string
	for cursor := ""; ; {
		var page struct {
			Members []struct{ ID string }
			Next    string `json:"next_cursor"`
		}
		a := r.ok("GET", "/v1/channels/c/members?limit=1000&cursor="+cursor, "")
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Members {
			got = append(got, m.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%d members in pages", len(got))
	}
	for body, at := range map[string]string{
		"{\"id\":\"a\"}\n{\"id\":\"b\",\"locale\":\"??\"}": "/1/locale",
		"{\"id\":\"a\"}\n\n[]":                             "/2",
		"{\"id\":7}":                                       "/0/id",
		"{\"name\":\"x\"}":                                 "/0/id",
		"{\"id\":\"\xff\"}":                                "/0",
	} {
		if wrong := r.problem(bulk(body), 400); wrong[at] == "" {
			t.Errorf("%q: mistakes at %v, want %q", body, wrong, at)
		}
	}
	r.problem(bulk(`{"id":"a","name":"`+strings.Repeat("x", 70<<10)+`"}`), 413)
	r.problem(r.do(request{method: "PUT", path: "/v1/channels/c/members", body: "[]"}), 415)
	if a := r.ok("GET", "/v1/channels/c/members?limit=1", ""); !strings.Contains(a.body, "m0000") {
		t.Errorf("a bad list changed the members: %s", a.body)
	}
	same(t, "an empty list", bulk("").body, `{"members":0}`)
}

func TestDevices(t *testing.T) {
	r := start(t)
	var made struct {
		ID string `json:"id"`
	}
	a := r.ok("POST", "/v1/devices", `{"user":"alice","provider":"apns","token":"ab12","app":"com.acme","locale":"de","timezone":"Europe/Berlin","sandbox":true,"meta":{"os":"19"},"registered_at":"2001-01-01T00:00:00Z","disabled":"other"}`)
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || made.ID == "" {
		t.Fatalf("%s: %v", a.body, err)
	}
	var list struct{ Devices []map[string]any }
	if err := json.Unmarshal([]byte(r.ok("GET", "/v1/devices?user=alice", "").body), &list); err != nil || len(list.Devices) != 1 {
		t.Fatal(err, list)
	}
	d := list.Devices[0]
	for k, want := range map[string]any{"id": made.ID, "device_id": made.ID, "user": "alice", "provider": "apns", "platform": "ios", "token": "ab12", "app": "com.acme", "sandbox": true} {
		if d[k] != want {
			t.Errorf("%s is %v, want %v", k, d[k], want)
		}
	}
	if at, _ := d["registered_at"].(string); at == "" || strings.HasPrefix(at, "2001") || d["disabled"] != nil {
		t.Errorf("a caller can set what is ours: %v", d)
	}
	r.problem(r.do(request{method: "DELETE", path: "/v1/devices?device_id=" + made.ID + "&user=bob"}), 404)
	r.ok("DELETE", "/v1/devices?device_id="+made.ID+"&user=alice", "")
	r.problem(r.do(request{method: "DELETE", path: "/v1/devices/" + made.ID}), 404)

	for body, want := range map[string][]string{
		`{}`: {"/provider", "/token", "/user"},
		`{"user":"a","provider":"hms","token":"t"}`:                                                          {"/provider"},
		`{"user":"a","provider":"apns","token":"not hex"}`:                                                   {"/token"},
		`{"user":"a","provider":"apns","token":"` + strings.Repeat("ab", 201) + `"}`:                         {"/token"},
		`{"user":"a","provider":"fcm","token":"` + strings.Repeat("x", 1001) + `"}`:                          {"/token"},
		`{"user":"a","provider":"fcm","token":"a\u0000b"}`:                                                   {"/token"},
		`{"user":"a","provider":"fcm","token":"t","platform":"toaster","locale":"x y","timezone":"Nowhere"}`: {"/locale", "/platform", "/timezone"},
		`{"user":"a","provider":"fcm","token":7}`:                                                            {"/token"},
	} {
		wrong := r.problem(r.do(request{method: "POST", path: "/v1/devices", body: body}), 400)
		for _, at := range want {
			if wrong[at] == "" {
				t.Errorf("%.80s: mistakes at %v, want %q", body, wrong, want)
			}
		}
		if len(wrong) != len(want) {
			t.Errorf("%.80s: mistakes at %v, want %q", body, wrong, want)
		}
	}
}

func TestPages(t *testing.T) {
	r := start(t)
	for _, query := range []string{"limit=0", "limit=1001", "limit=ten", "cursor=%21", "cursor=_w"} {
		r.problem(r.do(request{method: "GET", path: "/v1/devices?" + query}), 400)
	}
}

func TestSettings(t *testing.T) {
	r := start(t)
	const here = "/v1/settings/users/alice/channels/c"
	same(t, "settings that were never set", r.ok("GET", here, "").body, `{"enabled":null}`)
	whole := `{"enabled":true,"modules":[{"name":"chat","enabled":false,"roles":{"include":["a"]}}],"events":[{"name":"message.created","enabled":null}],"mentions_only":true}`
	same(t, "the put settings", r.ok("PUT", here, whole).body, whole)
	same(t, "the merged settings", r.do(request{method: "PATCH", path: here, body: `{"mentions_only":null,"enabled":false,"events":[]}`, media: "application/merge-patch+json"}).body,
		`{"enabled":false,"modules":[{"name":"chat","enabled":false,"roles":{"include":["a"]}}]}`)
	same(t, "the replaced settings", r.ok("PUT", here, `{}`).body, `{"enabled":null}`)
	same(t, "another channel's", r.ok("GET", "/v1/settings/users/alice/channels/d", "").body, `{"enabled":null}`)

	r.ok("PUT", "/v1/settings/users/alice", `{"snooze_until":"2030-01-01T00:00:00Z","quiet_hours":{"from":"22:00","to":"07:00"}}`)
	same(t, "quiet hours merged", r.ok("PATCH", "/v1/settings/users/alice", `{"quiet_hours":{"to":"06:30","timezone":"Asia/Tokyo"},"snooze_until":null}`).body,
		`{"enabled":null,"quiet_hours":{"from":"22:00","to":"06:30","timezone":"Asia/Tokyo"}}`)
	same(t, "quiet hours removed", r.ok("PATCH", "/v1/settings/users/alice", `{"quiet_hours":null}`).body, `{"enabled":null}`)
	same(t, "the network's", r.ok("PATCH", "/v1/settings/network", `{"enabled":false}`).body, `{"enabled":false}`)

	for _, c := range []struct{ path, body, at string }{
		{"/v1/settings/users/alice", `{"quiet_hours":{"from":"25:00","to":"07:00"}}`, "/quiet_hours/from"},
		{"/v1/settings/users/alice", `{"quiet_hours":{"from":"22:00","to":"7:00"}}`, "/quiet_hours/to"},
		{"/v1/settings/users/alice", `{"quiet_hours":{"from":"22:00","to":"07:00","timezone":"Mars"}}`, "/quiet_hours/timezone"},
		{"/v1/settings/users/alice", `{"enabled":"yes"}`, "/enabled"},
		{"/v1/settings/network", `{"modules":[{"name":"Not A Module"}]}`, "/modules/0/name"},
		{"/v1/settings/network", `{"events":[{"name":""}]}`, "/events/0/name"},
		{"/v1/settings/network", `{"modules":[{"name":"chat","roles":{"exclude":["` + strings.Repeat("x", 151) + `"]}}]}`, "/modules/0/roles/exclude/0"},
		{here, `{"events":{}}`, "/events"},
		{here, `[]`, ""},
		{here, `null`, ""},
	} {
		for _, method := range []string{"PUT", "PATCH"} {
			wrong := r.problem(r.do(request{method: method, path: c.path, body: c.body}), 400)
			if _, ok := wrong[c.at]; !ok {
				t.Errorf("%s %s %s: mistakes at %v, want %q", method, c.path, c.body, wrong, c.at)
			}
		}
	}
}
