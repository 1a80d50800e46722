package native_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzDecodeEvents: whatever the body, each of its events gets one answer in order, and
// what is said to be accepted is what was stored.
func FuzzDecodeEvents(f *testing.F) {
	for _, body := range fixtures(f) {
		f.Add(body, false)
		f.Add("["+body+","+body+"]", false)
		f.Add(strings.ReplaceAll(body, "\n", "")+"\n{}", true)
	}
	for _, body := range hostileBodies {
		f.Add(body, false)
	}
	base := start(f)
	f.Fuzz(func(t *testing.T, body string, ndjson bool) {
		r := base.with(t)
		q := request{method: "POST", path: "/v1/events", body: body}
		if ndjson {
			q.media = "application/x-ndjson"
		}
		r.in.mu.Lock()
		r.in.events, r.in.seen = nil, map[string]bool{}
		r.in.mu.Unlock()
		a := r.do(q)
		switch a.status {
		case http.StatusAccepted, http.StatusMultiStatus, http.StatusUnprocessableEntity:
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			r.problem(a, a.status)
			return
		default:
			t.Fatalf("status %d: %s", a.status, a.body)
		}
		stored := 0
		for _, e := range results(t, a) {
			switch e.Status {
			case "accepted":
				if got := string(r.in.events[stored].Event.ID); got != e.ID || got == "" {
					t.Errorf("accepted %q, stored %q", e.ID, got)
				}
				stored++
			case "rejected":
				if len(e.Errors) == 0 || e.Errors[0].Detail == "" {
					t.Errorf("rejected without a reason: %s", a.body)
				}
			case "duplicate":
			default:
				t.Errorf("status %q", e.Status)
			}
		}
		if stored != len(r.in.events) {
			t.Errorf("%d are said to be accepted, %d were stored", stored, len(r.in.events))
		}
		for _, e := range r.in.events {
			if _, err := json.Marshal(e); err != nil {
				t.Errorf("what was accepted cannot be stored: %v", err)
			}
		}
	})
}

// FuzzSettings: what is accepted reads back as it was answered; the rest is refused
// with the field.
func FuzzSettings(f *testing.F) {
	for _, body := range append(hostileBodies, `{"enabled":true,"modules":[{"name":"chat","enabled":false,"roles":{"include":["a"]}}]}`,
		`{"snooze_until":"2030-01-01T00:00:00Z","quiet_hours":{"from":"22:00","to":"07:00"}}`, `{"mentions_only":true,"events":[{"name":"a.b"}]}`) {
		f.Add(body, false)
		f.Add(body, true)
	}
	base := start(f)
	f.Fuzz(func(t *testing.T, body string, patch bool) {
		r := base.with(t)
		method := http.MethodPut
		if patch {
			method = http.MethodPatch
		}
		for _, path := range []string{"/v1/settings/network", "/v1/settings/users/a", "/v1/settings/users/a/channels/c"} {
			a := r.do(request{method: method, path: path, body: body})
			if a.status != http.StatusOK {
				if a.status != http.StatusBadRequest && a.status != http.StatusRequestEntityTooLarge {
					t.Fatalf("status %d: %s", a.status, a.body)
				}
				continue
			}
			if got := r.do(request{method: "GET", path: path}); strings.TrimSpace(got.body) != strings.TrimSpace(a.body) {
				t.Errorf("%s: answered %s, reads back as %s", path, a.body, got.body)
			}
		}
	})
}
