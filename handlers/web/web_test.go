package web_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/internal/store"
	"chatbell/pipeline/intake"
)

const key = "acme-server-key-0123456789"

type keys struct{}

func (keys) Lookup(sum [sha256.Size]byte) (chatbell.Key, bool) {
	return chatbell.Key{ID: "backend", Network: "acme", Scope: chatbell.ScopeServer}, sum == sha256.Sum256([]byte(key))
}
func (keys) ClientSecret(string) (chatbell.Key, []byte, bool) { return chatbell.Key{}, nil, false }
func (keys) IsAdmin([sha256.Size]byte) bool                   { return false }
func (keys) Networks() []chatbell.NetworkID                   { return []chatbell.NetworkID{"acme"} }

// seen notes what the surface tells of its answers.
type seen []string

func (s *seen) Request(method, route string, status int, _ time.Duration) {
	*s = append(*s, fmt.Sprint(method, " ", route, " ", status))
}
func (s *seen) Refused(why string) { *s = append(*s, why) }

// note is a document that callers put and patch.
type note struct {
	Text string `json:"text,omitempty"`
	Pin  *bool  `json:"pin,omitempty"`
}

// surface is one in a few lines: its routes, and how its callers show their key.
func surface(t *testing.T) (ask func(method, path, key, body string) *httptest.ResponseRecorder, log *bytes.Buffer, answers *seen) {
	t.Helper()
	log = new(bytes.Buffer)
	answers = new(seen)
	kept := note{Text: "old"}
	document := web.Document[note]{
		Member: "part of a note",
		Read:   func(context.Context) (note, error) { return kept, nil },
		Check:  func(n *note, k *web.Checker) { k.Short("/text", n.Text, 5) },
		Write:  func(_ context.Context, n note) error { kept = n; return nil },
	}
	h, err := web.New(web.Config{
		Common: web.Common{Keys: keys{}, Log: slog.New(slog.NewTextHandler(log, nil)), Observer: answers},
		Name:   "notes",
		Routes: []web.Route{
			{Method: "GET", Path: "/notes/:id", Access: web.Server, Handle: func(c echo.Context) error {
				id, err := web.PathID(c, "id")
				if err != nil {
					return err
				}
				return c.String(http.StatusOK, string(web.CallerOf(c).Network)+" "+id)
			}},
			{Method: "PUT", Path: "/note", Handle: document.Change},
			{Method: "PATCH", Path: "/note", Handle: document.Change},
			{Method: "GET", Path: "/note", Handle: document.Get},
			{Method: "GET", Path: "/panic", Handle: func(echo.Context) error { panic("a secret") }},
		},
		Beside:     []web.Route{{Method: "GET", Path: "/healthz"}},
		Document:   "/notes.json",
		Credential: web.Credential{Read: func(r *http.Request) string { return r.Header.Get("Api-Token") }, How: "send the token as Api-Token"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(method, path, key, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Api-Token", key)
		h.ServeHTTP(w, r)
		return w
	}, log, answers
}

// A surface is its routes: who calls, what is wrong and who is lost are answered for it.
func TestSurface(t *testing.T) {
	ask, log, answers := surface(t)
	for _, x := range []struct {
		method, path, key, body string
		status                  int
		says                    string
	}{
		{"GET", "/notes/a%20b", key, "", 200, "acme a b"},
		{"HEAD", "/notes/a", key, "", 200, ""},
		{"GET", "/notes/a", "", "", 401, "send the token as Api-Token"},
		{"GET", "/notes/a", "guess", "", 401, "not known"},
		{"GET", "/notes/a?network=globex", key, "", 403, "acts for the network acme"},
		{"GET", "/notes/%01", key, "", 400, `"/id"`},
		{"GET", "/notes/a?x=1&x=2", key, "", 400, "given twice"},
		{"DELETE", "/note", key, "", 405, "GET, HEAD, PATCH, PUT"},
		{"GET", "/notes", key, "", 404, "/note. All routes are in /notes.json\""},
		{"GET", "/healtz", key, "", 404, "/healthz"},
		{"GET", "/panic", "", "", 500, "internal error"},
		{"PUT", "/note", "", `{"text":"new","pin":true}`, 200, `"pin":true`},
		{"PATCH", "/note", "", `{"pin":null}`, 200, `{"text":"new"}`},
		{"PUT", "/note", "", `{"text":"far too long"}`, 400, `"/text"`},
		{"PUT", "/note", "", `{"text":7}`, 400, "must be a string"},
		{"PUT", "/note", "", `{"pni":true}`, 400, "is not part of a note"},
		{"PUT", "/note", "", `{"pin":true,"pin":false}`, 400, "given twice"},
		{"PUT", "/note", "", strings.Repeat(" ", web.MaxBody+1), 413, "at most"},
		{"GET", "/note", "", "", 200, `{"text":"new"}`},
	} {
		w := ask(x.method, x.path, x.key, x.body)
		if w.Code != x.status || !strings.Contains(w.Body.String(), x.says) {
			t.Errorf("%s %s %.40s: %d %s, want %d with %q", x.method, x.path, x.body, w.Code, w.Body, x.status, x.says)
		}
		if media := w.Header().Get("Content-Type"); x.status >= 400 && media != web.MediaProblem {
			t.Errorf("%s %s: %d is %s", x.method, x.path, w.Code, media)
		}
	}
	told := strings.Join(*answers, "; ")
	for _, want := range []string{"GET /notes/:id 200; ", "none; GET /notes/:id 401; ", "unknown; GET /notes/:id 401; ", "scope; GET /notes/:id 403; ", "GET /panic 500; "} {
		if !strings.Contains(told, want) {
			t.Errorf("the observer was not told %q: %s", want, told)
		}
	}
	if !strings.Contains(log.String(), "handler panicked") {
		t.Errorf("the log says %s", log)
	}
}

// Each error that the rest of the server knows has one form on the wire.
func TestProblems(t *testing.T) {
	secret := errors.New("at 10.0.0.1")
	for _, x := range []struct {
		err    error
		status int
		retry  bool
	}{
		{chatbell.ErrNotFound, 404, false},
		{chatbell.FieldError{Pointer: "/id", Detail: "is wrong"}, 400, false},
		{&intake.Error{Cause: intake.Overloaded, RetryAfter: time.Second, Err: secret}, 429, true},
		{&intake.Error{Cause: intake.DiskFull, RetryAfter: time.Second, Err: secret}, 429, true},
		{&intake.Error{Cause: intake.OverLimit, RetryAfter: time.Millisecond, Detail: "the quota", Err: secret}, 429, true},
		{&intake.Error{Cause: intake.Unavailable, RetryAfter: time.Second, Err: secret}, 503, true},
		{&intake.Error{Cause: intake.Stopping, RetryAfter: time.Second, Err: secret}, 503, true},
		{fmt.Errorf("%w: %w", store.ErrFull, secret), 503, true},
		{fmt.Errorf("%w: %w", store.ErrUnavailable, secret), 503, true},
		{secret, 500, false},
	} {
		h, err := web.New(web.Config{
			Common: web.Common{Log: slog.New(slog.DiscardHandler)},
			Routes: []web.Route{{Method: "GET", Path: "/", Handle: func(echo.Context) error { return fmt.Errorf("wrapped: %w", x.err) }}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", http.NoBody))
		var p web.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != x.status || p.Status != x.status || p.Detail == "" {
			t.Errorf("%v: %d %s, want a problem %d", x.err, w.Code, w.Body, x.status)
		}
		if (w.Header().Get("Retry-After") != "") != x.retry || strings.Contains(w.Body.String(), "10.0.0.1") {
			t.Errorf("%v: %v %s", x.err, w.Header(), w.Body)
		}
	}
}

// Where nothing describes the API nobody is sent there.
func TestLostWithoutDocument(t *testing.T) {
	h, err := web.New(web.Config{Common: web.Common{Log: slog.New(slog.DiscardHandler)}, Routes: []web.Route{{Method: "GET", Path: "/note"}}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/notes", http.NoBody))
	if !strings.Contains(w.Body.String(), `the nearest is /note"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A surface with guarded routes and nobody who knows keys is no surface.
func TestKeysAreNeeded(t *testing.T) {
	_, err := web.New(web.Config{
		Common: web.Common{Log: slog.New(slog.DiscardHandler)}, Name: "notes",
		Routes: []web.Route{{Method: "GET", Path: "/", Access: web.Users}},
	})
	if err == nil || !strings.Contains(err.Error(), "notes") {
		t.Errorf("it was made: %v", err)
	}
}
