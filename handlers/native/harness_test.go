package native_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbell"
	"chatbell/handlers/native"
	"chatbell/handlers/status"
	"chatbell/handlers/web"
	"chatbell/internal/front"
	"chatbell/internal/listen"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline/intake"
)

const (
	serverKey    = "acme-server-key-0123456789"
	otherKey     = "globex-server-key-0123456789"
	clientKey    = "acme-client-key-0123456789"
	adminKey     = "the-admin-key-0123456789"
	clientSecret = clientKey
)

// keys knows one server key for each of two networks, a client key and the admin key.
type keys struct{}

func (keys) Lookup(sum [sha256.Size]byte) (chatbell.Key, bool) {
	for secret, k := range map[string]chatbell.Key{
		serverKey: {ID: "backend", Network: "acme", Scope: chatbell.ScopeServer},
		otherKey:  {ID: "backend", Network: "globex", Scope: chatbell.ScopeServer},
		clientKey: {ID: "phones", Network: "acme", Scope: chatbell.ScopeClient},
	} {
		if sum == sha256.Sum256([]byte(secret)) {
			return k, true
		}
	}
	return chatbell.Key{}, false
}

func (keys) ClientSecret(id string) (chatbell.Key, []byte, bool) {
	return chatbell.Key{ID: "phones", Network: "acme", Scope: chatbell.ScopeClient}, []byte(clientSecret), id == "phones"
}

func (keys) IsAdmin(sum [sha256.Size]byte) bool { return sum == sha256.Sum256([]byte(adminKey)) }
func (keys) Networks() []chatbell.NetworkID     { return []chatbell.NetworkID{"acme", "globex"} }

// What an intake refuses with.
var (
	errOverloaded = &intake.Error{Cause: intake.Overloaded, RetryAfter: 5 * time.Second, Err: errors.New("9 events wait at nats://10.0.0.1")}
	errAway       = &intake.Error{Cause: intake.Unavailable, RetryAfter: 5 * time.Second, Err: errors.New("nats://10.0.0.1")}
)

// door is an intake that keeps what it accepts and knows repeated ids; answer may refuse.
type door struct {
	mu     sync.Mutex
	answer error
	events []chatbell.Envelope
	seen   map[string]bool
}

func (in *door) Accept(_ context.Context, requests []intake.Request) ([]intake.Status, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.answer != nil {
		return nil, in.answer
	}
	out := make([]intake.Status, len(requests))
	for i, r := range requests {
		var e chatbell.Envelope
		if err := json.Unmarshal(r.Payload, &e); err != nil {
			return nil, err // the planner could not read it either
		}
		key := chatbell.EventKey(r.Network, chatbell.EventID(r.ID))
		if in.seen[key] {
			out[i] = intake.Duplicate
			continue
		}
		in.seen[key] = true
		in.events = append(in.events, e)
	}
	return out, nil
}

func (in *door) Ready(context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.answer
}

func (in *door) Degraded(context.Context) []string { return nil }

// rig is the API on a real listener with a real store.
type rig struct {
	t      testing.TB
	in     *door
	dead   *graves
	addr   string
	log    *lockedBuffer
	client *http.Client
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// surfaces is the API beside that of the server's status, as the application has them.
func surfaces(c native.Config, health status.Health) (http.Handler, error) {
	c.Beside = []web.Part{status.Part()}
	api, err := native.New(c)
	if err != nil {
		return nil, err
	}
	beside, err := status.New(status.Config{
		Common: c.Common, Health: health, Version: c.Version, Document: "/openapi.json",
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			_, _ = io.WriteString(w, "# metrics\n")
		}),
	})
	return front.Mux(front.Mount{Handler: api}, front.Mount{Paths: status.Paths, Handler: beside}), err
}

func start(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, in: &door{seen: map[string]bool{}}, dead: &graves{}, log: &lockedBuffer{}, client: &http.Client{Timeout: 30 * time.Second}}
	st, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "db")})
	if err != nil {
		t.Fatal(err)
	}
	h, err := surfaces(native.Config{
		Common: web.Common{
			Keys:    keys{},
			Log:     slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Guesses: listen.NewThrottle(listen.ThrottleConfig{Burst: 1 << 20}), // TestWrongKeys has one that slows
		},
		Intake: r.in, State: st, DeadLetters: r.dead, Version: "test",
	}, r.in)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	srv := front.NewServer(h)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(srv.Close(), st.Close()); err != nil {
			t.Error(err)
		}
		<-done
	})
	return r
}

// with is the rig for a part of a test.
func (r *rig) with(t testing.TB) *rig {
	c := *r
	c.t = t
	return &c
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// request is one to be sent; the zero values mean a server key and JSON.
type request struct {
	method, path, body, key, media string
	header                         map[string]string
}

func (r *rig) do(q request) answer {
	r.t.Helper()
	req, err := http.NewRequest(q.method, "http://"+r.addr+q.path, strings.NewReader(q.body))
	if err != nil {
		r.t.Fatal(err)
	}
	if q.key == "" {
		q.key = serverKey
	}
	if q.key != "-" {
		req.Header.Set("Authorization", "Bearer "+q.key)
	}
	if q.media == "" {
		q.media = "application/json"
	}
	if q.media != "-" {
		req.Header.Set("Content-Type", q.media)
	}
	for k, v := range q.header {
		req.Header.Set(k, v)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	a := answer{resp.StatusCode, resp.Header, string(data)}
	if q.method != http.MethodHead {
		if err := openAPI(r.t).conforms(q.method, q.path, a); err != nil {
			r.t.Errorf("%s %s is answered with %d %s, which /openapi.json does not say: %v", q.method, q.path, a.status, a.body, err)
		}
	}
	return a
}

var discard = slog.New(slog.DiscardHandler)

// ok sends a request that must succeed.
func (r *rig) ok(method, path, body string) answer {
	r.t.Helper()
	a := r.do(request{method: method, path: path, body: body})
	if a.status >= 300 {
		r.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

// problem checks that an answer is a problem of a status, and gives its fields'
// mistakes by their pointers.
func (r *rig) problem(a answer, status int) map[string]string {
	r.t.Helper()
	var p web.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status || p.Status != status || p.Title == "" || p.Type == "" || p.Detail == "" ||
		a.header.Get("Content-Type") != "application/problem+json" {
		r.t.Fatalf("status %d, %s, %s; want a problem with status %d", a.status, a.header.Get("Content-Type"), a.body, status)
	}
	out := map[string]string{}
	for _, e := range p.Errors {
		if e.Detail == "" {
			r.t.Errorf("the mistake at %q is not explained", e.Pointer)
		}
		out[e.Pointer] = e.Detail
	}
	return out
}

// userToken is what the app of a user sends.
func userToken(t testing.TB, claims jwt.MapClaims, kid, secret string, method jwt.SigningMethod) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, claims)
	tok.Header["kid"] = kid
	var key any = []byte(secret)
	if method == jwt.SigningMethodNone {
		key = jwt.UnsafeAllowNoneSignatureType
	}
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
