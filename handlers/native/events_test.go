package native_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chatbell"
)

type result struct {
	ID     string                `json:"id"`
	Status string                `json:"status"`
	Errors []chatbell.FieldError `json:"errors"`
}

func results(t testing.TB, a answer) []result {
	t.Helper()
	var out struct{ Events []result }
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || len(out.Events) == 0 {
		t.Fatalf("status %d: %s is no answer of events: %v", a.status, a.body, err)
	}
	return out.Events
}

func fixtures(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../testdata/events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".json")] = string(data)
	}
	return out
}

// Every event type has an example, and each example is taken as it is.
func TestFixtures(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	examples := fixtures(t)
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Type == nil {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == "EventType" {
			name, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil || examples[name] == "" {
				t.Errorf("testdata/events has no %s.json (%v)", name, err)
			}
		}
		return true
	})
	r := start(t)
	for name, body := range examples {
		a := r.do(request{method: "POST", path: "/v1/events", body: body})
		if got := results(t, a); a.status != 202 || got[0].Status != "accepted" || got[0].ID != "fixture-"+name {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if len(r.in.events) != len(examples) {
		t.Errorf("%d of %d were accepted", len(r.in.events), len(examples))
	}
}

const user = `{"type":"user.updated","user":{"id":"u"}}`

func withID(id string) string {
	return fmt.Sprintf(`{"id":%q,"type":"user.updated","user":{"id":"u"}}`, id)
}

// One object, an array, one object a line: the answers come in the order of the events,
// and a bad one harms no other.
func TestFraming(t *testing.T) {
	for name, c := range map[string]struct {
		media, body string
		status      int
		want        []string
	}{
		"one":               {body: withID("a"), status: 202, want: []string{"accepted a"}},
		"no media type":     {media: "-", body: withID("a"), status: 202, want: []string{"accepted a"}},
		"with charset":      {media: "application/json; charset=utf-8", body: withID("a"), status: 202, want: []string{"accepted a"}},
		"array":             {body: "[" + withID("a") + " , " + withID("b") + "]\n", status: 202, want: []string{"accepted a", "accepted b"}},
		"twice in one body": {body: "[" + withID("a") + "," + withID("a") + "]", status: 202, want: []string{"accepted a", "duplicate a"}},
		"lines":             {media: "application/x-ndjson", body: withID("a") + "\r\n\n" + withID("b"), status: 202, want: []string{"accepted a", "accepted b"}},
		"bad line":          {media: "application/x-ndjson", body: withID("a") + "\n{\"id\n" + withID("b"), status: 207, want: []string{"accepted a", "rejected ", "accepted b"}},
		"bad element":       {body: "[" + withID("a") + `,{"id":"x","type":7},"text",{},` + withID("b") + "]", status: 207, want: []string{"accepted a", "rejected x", "rejected ", "rejected ", "accepted b"}},
		"broken element":    {body: "[" + withID("a") + `,{"id" "x"},` + withID("b") + "]", status: 207, want: []string{"accepted a", "rejected ", "accepted b"}},
		"invalid UTF-8":     {body: "[" + withID("a") + ",{\"id\":\"\xff\"}," + withID("b") + "]", status: 207, want: []string{"accepted a", "rejected ", "accepted b"}},
		"all bad":           {body: `[{"type":"?"},1]`, status: 422, want: []string{"rejected ", "rejected "}},
		"one bad":           {body: `{"type":"?"}`, status: 422, want: []string{"rejected "}},
		"brackets in texts": {body: `[{"id":"a","type":"x.y","data":{"t":"]}\\\"[{,"}},` + withID("b") + "]", status: 202, want: []string{"accepted a", "accepted b"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			a := r.do(request{method: "POST", path: "/v1/events", body: c.body, media: c.media})
			var got []string
			for _, e := range results(t, a) {
				got = append(got, e.Status+" "+e.ID)
				if (e.Status == "rejected") != (len(e.Errors) > 0) {
					t.Errorf("%+v", e)
				}
			}
			if a.status != c.status || !slices.Equal(got, c.want) {
				t.Errorf("%d %q, want %d %q", a.status, got, c.status, c.want)
			}
		})
	}
}

// Nothing can be framed: the whole body is refused, and says why.
func TestUnframable(t *testing.T) {
	r := start(t)
	for name, c := range map[string]struct {
		media, body string
		status      int
		says        string
	}{
		"empty":           {body: " \n", status: 400, says: "empty"},
		"empty array":     {body: "[ ]", status: 400, says: "array is empty"},
		"cut off":         {body: "[" + user + ",", status: 400, says: "cut off"},
		"cut in a string": {body: `[{"id":"`, status: 400, says: "cut off"},
		"something after": {body: "[" + user + "] x", status: 400, says: "after the end"},
		"XML":             {body: "<a/>", media: "application/xml", status: 415, says: "application/xml"},
		"no media type":   {body: user, media: ";;", status: 415, says: "Content-Type"},
		"too many":        {body: "[" + strings.Repeat(user+",", 1000) + user + "]", status: 413, says: "1000 events"},
		"too many lines":  {body: strings.Repeat(user+"\n", 1001), media: "application/x-ndjson", status: 413, says: "1000 events"},
		"too large":       {body: strings.Repeat(" ", 4<<20) + user, status: 413, says: "4194304 bytes"},
	} {
		a := r.do(request{method: "POST", path: "/v1/events", body: c.body, media: c.media})
		r.problem(a, c.status)
		if !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %s does not say %q", name, a.body, c.says)
		}
	}
	a := r.do(request{method: "POST", path: "/v1/events", body: user, header: map[string]string{"Content-Encoding": "gzip"}})
	r.problem(a, 415)
	if len(r.in.events) != 0 {
		t.Errorf("%d events were accepted", len(r.in.events))
	}
}

// Each mistake is named by its place, all at once.
func TestMistakes(t *testing.T) {
	long := strings.Repeat("ä", 151)
	r := start(t)
	for body, want := range map[string][]string{
		`{}`:                         {"/type"},
		`{"type":"Message Created"}`: {"/type"},
		`{"type":"message.created"}`: {"/channel", "/message"},
		`{"type":"channel.joined"}`:  {"/channel", "/members"},
		`{"type":"user.deleted"}`:    {"/user"},
		`{"type":"user.deleted","user":{"id":""},"badge":-1,"id":"` + long + `"}`:                                                            {"/id", "/user/id", "/badge"},
		`{"type":"message.created","channel":{"name":"x"},"message":{"id":"m","type":"gif"}}`:                                                {"/channel/id", "/message/type"},
		`{"type":"message.created","channel":{"id":"c"},"message":{"type":"text","mentions":["a","\u0000"]}}`:                                {"/message/id", "/message/mentions/1"},
		`{"type":"channel.joined","channel":{"id":"c"},"members":[{"id":"a"},{"id":"b","locale":"??","timezone":"Mars/Base","roles":[""]}]}`: {"/members/1/locale", "/members/1/timezone", "/members/1/roles/0"},
		`{"type":"x","actor":{"name":"nobody"}}`:                                                                                             {"/actor/id"},
		`{"type":"x","time":"yesterday"}`:                                                                                                    {"/time"},
		`{"type":"x","time":"9999-12-31T23:59:59-01:00"}`:                                                                                    {"/time"},
		`{"type":"x","time":"0000-01-01T00:00:00+01:00"}`:                                                                                    {"/time"},
		`{"type":"message.created","channel":{"id":"c"},"message":{"id":5,"type":"text"}}`:                                                   {"/message/id"},
		`{"type":"x","channel":[]}`:                                                                                                          {"/channel"},
		`{"type":"message.created","channel":{"id":"c"},"message":{"id":"m","type":"text","text":"` + strings.Repeat("x", 20001) + `"}}`:     {"/message/text"},
		`{"type":"channel.created","channel":{"id":"c"},"members":[` + strings.TrimSuffix(strings.Repeat(`{"id":"a"},`, 1001), ",") + `]}`:   {"/members"},
		`{"type":"x","data":"` + strings.Repeat("x", 512<<10) + `"}`:                                                                         {""},
		strings.Repeat(`{"data":`, 20000) + "1" + strings.Repeat("}", 20000):                                                                 {""},
	} {
		a := r.do(request{method: "POST", path: "/v1/events", body: body})
		got := results(t, a)[0]
		var at []string
		for _, e := range got.Errors {
			at = append(at, e.Pointer)
		}
		slices.Sort(at)
		slices.Sort(want)
		if a.status != 422 || !slices.Equal(at, want) {
			t.Errorf("%.120s\n  %d, mistakes at %q, want %q: %.300s", body, a.status, at, want, a.body)
		}
	}
}

// What an event need not say is filled in; what nobody knows is ignored.
func TestCompletion(t *testing.T) {
	r := start(t)
	r.do(request{method: "POST", path: "/v1/events", body: `[{"type":"x.y","news":1},{"type":"x.y","news":1}]`, header: map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}})
	if len(r.in.events) != 2 {
		t.Fatalf("%d events", len(r.in.events))
	}
	a, b := r.in.events[0], r.in.events[1]
	if a.Event.ID == "" || a.Event.ID == b.Event.ID || a.Event.Time.IsZero() || a.AcceptedAt.IsZero() || a.Network != "acme" || a.Source != chatbell.SourceEvent {
		t.Errorf("%+v", a)
	}
	if !strings.HasPrefix(a.TraceParent, "00-0af7651916cd43dd8448eb211c80319c-") {
		t.Errorf("the trace is %q", a.TraceParent)
	}
}

func TestOverloadAndOutage(t *testing.T) {
	r := start(t)
	for err, status := range map[error]int{errOverloaded: 429, errAway: 503} {
		r.in.answer = fmt.Errorf("%w: the details are ours", err)
		a := r.do(request{method: "POST", path: "/v1/events", body: user})
		r.problem(a, status)
		if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "details") {
			t.Errorf("%d: Retry-After %q, %s", status, a.header.Get("Retry-After"), a.body)
		}
		if a := r.do(request{method: "GET", path: "/readyz"}); a.status != 503 {
			t.Errorf("/readyz is %d", a.status)
		}
		if a := r.do(request{method: "GET", path: "/healthz", key: "-"}); a.status != 200 {
			t.Errorf("/healthz is %d", a.status)
		}
	}
	// All rejected: nobody needs the broker for that.
	if a := r.do(request{method: "POST", path: "/v1/events", body: `{}`}); a.status != 422 {
		t.Errorf("a bad event is %d", a.status)
	}
}
