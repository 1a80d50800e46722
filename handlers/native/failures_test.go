package native_test

import (
	"strings"
	"testing"

	"chatbell/handlers/status"
)

// provocations make an operation fail with a status, in a way that each has.
var provocations = map[string]func(r *rig, q request) request{
	"400": func(_ *rig, q request) request { q.path += "?x=%zz"; return q },
	"401": func(_ *rig, q request) request { q.key = "a-guess"; return q },
	"403": func(_ *rig, q request) request { q.key = clientKey; return q },
	"404": func(_ *rig, q request) request { q.key = adminKey; q.path += "?network=nowhere"; return q },
	"413": func(_ *rig, q request) request { q.body = strings.Repeat(" ", 5<<20); return q },
	"415": func(_ *rig, q request) request {
		q.header = map[string]string{"Content-Encoding": "gzip"}
		return q
	},
	"429": func(r *rig, q request) request { r.in.answer = errOverloaded; q.body = user; return q },
	"503": func(r *rig, q request) request { r.in.answer = errAway; q.body = user; return q },
}

// elsewhere are failures that need more than one request, and have tests of their own.
var elsewhere = map[string]bool{
	"PUT /v1/channels/{channel}/members 429": true, // TestBulkListsAtOnce
	"POST /v1/devices 409":                   true, // TestUserTokens
}

// Every failure that is documented happens, and looks as it is documented (the harness
// sees to that).
func TestDocumentedFailuresHappen(t *testing.T) {
	r := start(t)
	d := openAPI(t)
	starting := status.Starting("test", "")
	seen := map[string]int{}
	d.each(func(method, path string, op operation) {
		for status := range op.Responses {
			if status < "400" || status == "422" || status == "default" {
				continue
			}
			provoke := provocations[status]
			if provoke == nil && !elsewhere[method+" "+path+" "+status] {
				t.Errorf("%s %s: nobody knows how to come to a %s", method, path, status)
				continue
			}
			seen[status]++
			if elsewhere[method+" "+path+" "+status] {
				continue
			}
			if a := ask(starting, method, concrete(path, "x"), ""); status == "503" && a.status != 503 || d.conforms(method, path, a) != nil {
				t.Errorf("%s %s while the server is starting: %d %s", method, path, a.status, a.body)
			}
			if status == "503" && path != "/v1/events" && path != "/readyz" {
				continue // the store's way to it is TestStoreUnavailable's
			}
			q := request{method: method, path: concrete(path, "x"), body: "{}"}
			if op.RequestBody != nil {
				for media := range op.RequestBody.Content {
					q.media = media
				}
			}
			a := r.do(provoke(r, q))
			r.in.answer = nil
			if !strings.Contains(a.body, `"status":`+status) {
				t.Errorf("%s %s: wanted a %s, got %d %s", method, path, status, a.status, a.body)
			}
		}
	})
	for status := range provocations {
		if seen[status] == 0 {
			t.Errorf("no operation has a %s", status)
		}
	}
}
