package native_test

import (
	"fmt"
	"strings"
	"testing"
)

// times is a list of n JSON texts.
func times(n int, text string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(text+",", n), ",") + "]"
}

// A clock has exactly two digits on each side and is one that exists.
func TestQuietHours(t *testing.T) {
	const path = "/v1/settings/users/alice"
	r := start(t)
	for _, good := range []string{"00:00", "23:59", "09:05"} {
		body := fmt.Sprintf(`{"enabled":null,"quiet_hours":{"from":%q,"to":%q,"timezone":"Asia/Kolkata"}}`, good, good)
		same(t, good, r.ok("PUT", path, body).body, body)
	}
	kept := r.ok("GET", path, "").body
	for _, bad := range []string{"", "24:00", "22:60", "7:00", "07:0", "22:00:00", "22.00", "-1:00", " 22:00", "22:00Z", "٢٢:٠٠", "noon"} {
		for field, body := range map[string]string{
			"/quiet_hours/from": fmt.Sprintf(`{"quiet_hours":{"from":%q,"to":"07:00"}}`, bad),
			"/quiet_hours/to":   fmt.Sprintf(`{"quiet_hours":{"from":"22:00","to":%q}}`, bad),
		} {
			wrong := r.problem(r.do(request{method: "PUT", path: path, body: body}), 400)
			if len(wrong) != 1 || !strings.Contains(wrong[field], "HH:MM") {
				t.Errorf("%s: %v", body, wrong)
			}
		}
	}
	for _, zone := range []string{"Local", "../../etc/passwd", "/etc/localtime", "Europe/Nowhere", "+02:00", strings.Repeat("x", 5000)} {
		wrong := r.problem(r.do(request{method: "PATCH", path: path, body: fmt.Sprintf(`{"quiet_hours":{"timezone":%q}}`, zone)}), 400)
		if !strings.Contains(wrong["/quiet_hours/timezone"], "IANA") {
			t.Errorf("%.20s: %v", zone, wrong)
		}
	}
	for _, body := range []string{`{"quiet_hours":{}}`, `{"quiet_hours":{"timezone":"UTC"}}`} {
		wrong := r.problem(r.do(request{method: "PUT", path: path, body: body}), 400)
		if wrong["/quiet_hours/from"] == "" || wrong["/quiet_hours/to"] == "" {
			t.Errorf("%s: %v", body, wrong)
		}
	}
	same(t, "what was there before the mistakes", r.ok("GET", path, "").body, kept)
}

// What is refused at one level is refused at each, at its bound and not before.
func TestSettingsBounds(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/v1/settings/network", "/v1/settings/users/a", "/v1/settings/users/a/channels/c"} {
		for at, body := range map[string]string{
			"/modules":                 `{"modules":` + times(101, `{"name":"chat"}`) + `}`,
			"/events":                  `{"events":` + times(101, `{"name":"x"}`) + `}`,
			"/modules/0/roles/include": `{"modules":[{"name":"chat","roles":{"include":` + times(11, `"r"`) + `}}]}`,
			"/modules/1/roles/exclude": `{"modules":[{"name":"a"},{"name":"b","roles":{"exclude":` + times(11, `"r"`) + `}}]}`,
			"/modules/0/name":          `{"modules":[null]}`,
			"/events/1/name":           `{"events":[{"name":"x"},{"name":"Message Created"}]}`,
			"":                         `"on"`,
		} {
			for _, method := range []string{"PUT", "PATCH"} {
				wrong := r.problem(r.do(request{method: method, path: path, body: body}), 400)
				if _, ok := wrong[at]; !ok || len(wrong) != 1 {
					t.Errorf("%s %s: %v, want %q", method, path, wrong, at)
				}
			}
		}
		same(t, path, r.ok("GET", path, "").body, `{"enabled":null}`)
		r.ok("PUT", path, `{"modules":`+times(100, `{"name":"chat"}`)+`,"events":`+times(100, `{"name":"x"}`)+`}`)
		r.ok("PUT", path, `{"modules":[{"name":"chat","roles":{"include":`+times(10, `"r"`)+`}}]}`)
	}
}

// RFC 7396: null removes, an object goes deeper, anything else replaces, and what is
// not named stays.
func TestMergePatch(t *testing.T) {
	const path = "/v1/settings/users/alice"
	r := start(t)
	for _, step := range []struct{ patch, want string }{
		{`{}`, `{"enabled":null}`},
		{`{"enabled":true,"events":[{"name":"x","enabled":true}]}`, `{"enabled":true,"events":[{"name":"x","enabled":true}]}`},
		{`{"quiet_hours":{"from":"22:00","to":"07:00","timezone":null}}`, `{"enabled":true,"events":[{"name":"x","enabled":true}],"quiet_hours":{"from":"22:00","to":"07:00"}}`},
		{`{"events":[{"name":"y"}]}`, `{"enabled":true,"events":[{"name":"y","enabled":null}],"quiet_hours":{"from":"22:00","to":"07:00"}}`},
		{`{"enabled":null,"events":null}`, `{"enabled":null,"quiet_hours":{"from":"22:00","to":"07:00"}}`},
		{`{"quiet_hours":null,"snooze_until":"2030-01-01T00:00:00+02:00"}`, `{"enabled":null,"snooze_until":"2030-01-01T00:00:00+02:00"}`},
		{`{"snooze_until":null}`, `{"enabled":null}`},
	} {
		a := r.do(request{method: "PATCH", path: path, body: step.patch, media: "application/merge-patch+json"})
		same(t, step.patch, a.body, step.want)
		same(t, step.patch+", read back", r.ok("GET", path, "").body, step.want)
	}
	wrong := r.problem(r.do(request{method: "PATCH", path: path, body: `{"quiet_hours":{"from":"22:00"}}`}), 400)
	if len(wrong) != 1 || wrong["/quiet_hours/to"] == "" {
		t.Errorf("a patch that leaves half a window: %v", wrong)
	}
}

// A setting that is mistyped, or of another level, is named, and erases nothing.
func TestUnknownSettings(t *testing.T) {
	r := start(t)
	const network, user, channel = "/v1/settings/network", "/v1/settings/users/a", "/v1/settings/users/a/channels/c"
	for _, path := range []string{network, user, channel} {
		r.ok("PUT", path, `{"enabled":false}`)
	}
	for _, x := range []struct{ path, body, at string }{
		{user, `{"enabledd":true}`, "/enabledd"},
		{user, `{"mentions_only":true}`, "/mentions_only"},
		{network, `{"snooze_until":"2026-11-21T10:00:00Z"}`, "/snooze_until"},
		{channel, `{"modules":[{"name":"chat"},{"name":"chat","role":{}}]}`, "/modules/1/role"},
		{channel, `{"quiet_hours":null}`, "/quiet_hours"},
	} {
		for _, method := range []string{"PUT", "PATCH"} {
			if method == "PATCH" && strings.Contains(x.body, "null") {
				continue // removes what is not there
			}
			wrong := r.problem(r.do(request{method: method, path: x.path, body: x.body}), 400)
			if len(wrong) != 1 || !strings.Contains(wrong[x.at], "not a setting") {
				t.Errorf("%s %s: %v, want %s", method, x.body, wrong, x.at)
			}
		}
		same(t, "what was there", r.ok("GET", x.path, "").body, `{"enabled":false}`)
	}
}
