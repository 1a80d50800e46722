package native_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"chatbell"
)

// A value of the wrong kind is named by its RFC 6901 pointer, indexes included, with
// what would be right.
func TestPointersOfWrongKinds(t *testing.T) {
	const settings = "/v1/settings/users/alice"
	r := start(t)
	for _, c := range []struct{ method, path, body, at, says string }{
		{"PUT", settings, `{"enabled":"yes"}`, "/enabled", "true or false"},
		{"PUT", settings, `{"modules":[{"name":"chat"},{"name":5}]}`, "/modules/1/name", "a string"},
		{"PUT", settings, `{"modules":[{"name":"chat","roles":{"include":["a",{}]}}]}`, "/modules/0/roles/include/1", "a string"},
		{"PUT", settings, `{"modules":"all"}`, "/modules", "an array"},
		{"PUT", settings, `{"quiet_hours":"night"}`, "/quiet_hours", "an object"},
		{"PUT", settings, `{"snooze_until":"tomorrow"}`, "/snooze_until", "RFC 3339"},
		{"PATCH", settings, `{"snooze_until":5}`, "/snooze_until", "RFC 3339"},
		{"POST", "/v1/devices", `{"provider":5}`, "/provider", "a string"},
		{"POST", "/v1/devices", `{"sandbox":"no"}`, "/sandbox", "true or false"},
		{"POST", "/v1/devices", `{"meta":{"a":"x","b/c~d":5}}`, "/meta/b~1c~0d", "a string"},
		{"PUT", "/v1/users/u", `{"roles":[ "a" , 7 ]}`, "/roles/1", "a string"},
		{"PUT", "/v1/users/u", `{"roles":"admin"}`, "/roles", "an array"},
		{"PUT", "/v1/channels/c", `{"notification_mode":true}`, "/notification_mode", "a string"},
		{"PUT", "/v1/channels/c", `{"notification_mode":"loud"}`, "/notification_mode", "default, silent or subscribe"},
		{"PUT", "/v1/channels/c/members/u", `{"locale":{}}`, "/locale", "a string"},
		{"POST", "/v1/devices", `{"user":"u","provider":"fcm","token":"t","meta":{"a/b":"` + strings.Repeat("x", 501) + `"}}`, "/meta/a~1b", "500 bytes"},
		{"POST", "/v1/devices", `{"user":"u","provider":"fcm","token":"t","meta":{"` + strings.Repeat("x", 151) + `":""}}`, "/meta", "150 bytes"},
	} {
		wrong := r.problem(r.do(request{method: c.method, path: c.path, body: c.body}), 400)
		if len(wrong) != 1 || !strings.Contains(wrong[c.at], c.says) {
			t.Errorf("%s %s %.80s: %v, want %q to say %q", c.method, c.path, c.body, wrong, c.at, c.says)
		}
	}
	for body, at := range map[string]string{
		`{"type":"channel.joined","channel":{"id":"c"},"members":[{"id":"a"},{"id":5}]}`:                                       "/members/1/id",
		`{"type":"channel.joined","channel":{"id":"c"},"members":[{"id":"a"},"b"]}`:                                            "/members/1",
		`{"type":"message.created","channel":{"id":"c"},"message":{"id":"m","text":"\"}],","mentions":["a",5],"type":"text"}}`: "/message/mentions/1",
		`{"type":"channel.read","channel":{"id":"c"},"user":{"id":"u"},"badge":"3"}`:                                           "/badge",
		`{"type":"channel.read","channel":{"id":"c"},"user":{"id":"u"},"badge":1.5}`:                                           "/badge",
		`{"type":5}`:              "/type",
		`{"id":["a"],"type":"x"}`: "/id",
	} {
		got := results(t, r.do(request{method: "POST", path: "/v1/events", body: body}))[0]
		if got.Status != "rejected" || len(got.Errors) != 1 || got.Errors[0].Pointer != at {
			t.Errorf("%s: %+v, want one mistake at %s", body, got, at)
		}
	}
}

// The decoder would mix two members of one name: the second person would be given the
// first one's roles. So neither is taken.
func TestNamesGivenTwice(t *testing.T) {
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, `"new-%d":%d,`, i, i)
	}
	r := start(t)
	for body, at := range map[string]string{
		`{"type":"channel.joined","channel":{"id":"c"},"members":[{"id":"a","roles":["admin"]}],"members":[{"id":"b"}]}`: "/members",
		`{"id":"a","type":"x","id":"b"}`:                                      "/id",
		`{"id":"a","type":"x","\u0069d":"b"}`:                                 "/id",
		`{"id":"a","type":"x","ID":"b"}`:                                      "/ID",
		`{"type":"x","actor":{"id":"a","name":"A","id":"b"}}`:                 "/actor/id",
		`{"type":"user.updated","user":{"id":"u"},"extra":[0,{"a":1,"a":2}]}`: "/extra/1/a",
		`{` + many.String() + `"type":"x","new-39":0}`:                        "/new-39",
		`{` + many.String() + `"type":"x","New-3":0}`:                         "/New-3",
	} {
		got := results(t, r.do(request{method: "POST", path: "/v1/events", body: body}))[0]
		if got.Status != "rejected" || len(got.Errors) != 1 || got.Errors[0] != (chatbell.FieldError{Pointer: at, Detail: "is given twice"}) {
			t.Errorf("%.100s: %+v, want %s to be given twice", body, got, at)
		}
	}
	for _, body := range []string{
		`{"type":"x","data":{"a":1,"a":2,"b":{"c":1,"C":2}}}`, // theirs
		`{"type":"message.created","channel":{"id":"c"},"message":{"id":"c","type":"text","data":{"a":1,"a":2}},"actor":{"id":"c"}}`,
		`{` + many.String() + `"type":"x"}`,
	} {
		if a := r.do(request{method: "POST", path: "/v1/events", body: body}); a.status != 202 {
			t.Errorf("%.100s: %d %s", body, a.status, a.body)
		}
	}
	wrong := r.problem(r.do(request{method: "PUT", path: "/v1/settings/users/u", body: `{"enabled":true,"enabled":false}`}), 400)
	if wrong["/enabled"] == "" {
		t.Errorf("settings: %v", wrong)
	}
	wrong = r.problem(r.do(request{method: "PATCH", path: "/v1/settings/users/u", body: `{"quiet_hours":{"from":"22:00","from":"23:00"}}`}), 400)
	if wrong["/quiet_hours/from"] == "" {
		t.Errorf("a patch: %v", wrong)
	}
}

// What is accepted can still be read inside the envelope that it is stored in.
func TestNestingSurvivesTheEnvelope(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	r := start(t)
	for _, n := range []int{2, 50, 99, 100, 101, 5000, 9998, 9999} {
		for at, body := range map[string]string{
			"/data":    `{"type":"x","data":` + nested(n) + `}`,
			"/message": `{"type":"message.created","channel":{"id":"c"},"message":{"id":"m","type":"text","data":` + nested(n-1) + `}}`,
			"/unknown": `{"type":"x","unknown":` + nested(n) + `}`,
		} {
			got := results(t, r.do(request{method: "POST", path: "/v1/events", body: body}))[0]
			if n <= 99 && got.Status != "accepted" {
				t.Errorf("%s, %d levels: %+v", at, n, got)
			}
			if n > 101 && (got.Status != "rejected" || len(got.Errors) != 1 || got.Errors[0].Pointer != at || !strings.Contains(got.Errors[0].Detail, "100 levels")) {
				t.Errorf("%s, %d levels: %+v", at, n, got)
			}
		}
	}
	for _, e := range r.in.events {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back chatbell.Envelope
		if err := json.Unmarshal(data, &back); err != nil {
			t.Errorf("an accepted event cannot be read again: %v", err)
		}
	}
}

// A stray bracket is one bad element; its neighbours are good.
func TestStrayBracket(t *testing.T) {
	r := start(t)
	for _, stray := range []string{"}", "}}", "{}}"} {
		a := r.do(request{method: "POST", path: "/v1/events", body: "[" + withID("a"+stray) + "," + stray + "," + withID("b"+stray) + "]"})
		got := results(t, a)
		if a.status != 207 || len(got) != 3 || got[0].Status != "accepted" || got[1].Status != "rejected" || got[2].Status != "accepted" {
			t.Errorf("%s: %d %s", stray, a.status, a.body)
		}
	}
}
