package amity_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbell"
	"chatbell/handlers/amity"
	"chatbell/handlers/web"
	"chatbell/internal/listen"
	"chatbell/internal/store"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline/intake"
)

const (
	serverKey = "acme-server-key-0123456789"
	otherKey  = "globex-server-key-0123456789"
	clientKey = "acme-client-key-0123456789"

	hookSecret = "acme-amity-secret-0123456789"
	hexSecret  = "acme-amity-secret-in-hex-0123"
)

// keys knows one server key for each of two networks, and a client key.
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
	return chatbell.Key{ID: "phones", Network: "acme", Scope: chatbell.ScopeClient}, []byte(clientKey), id == "phones"
}

func (keys) IsAdmin([sha256.Size]byte) bool { return false }
func (keys) Networks() []chatbell.NetworkID { return []chatbell.NetworkID{"acme", "globex"} }

// door is an intake that keeps what it accepts and knows repeated ids; answer may refuse,
// and midway fails for the last event of each call.
type door struct {
	mu     sync.Mutex
	answer error
	midway bool
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
		switch {
		case in.midway && i == len(requests)-1:
			out[i] = intake.Unknown
		case in.seen[key]:
			out[i] = intake.Duplicate
		default:
			in.seen[key] = true
			in.events = append(in.events, e)
		}
	}
	return out, nil
}

// take empties the door.
func (in *door) take() []chatbell.Envelope {
	in.mu.Lock()
	defer in.mu.Unlock()
	events := in.events
	in.events = nil
	return events
}

// rig is the surface with a real store.
type rig struct {
	t        testing.TB
	in       *door
	store    *sqlite.Store
	handler  http.Handler
	log      *bytes.Buffer
	rejected int
	sequence uint64
	now      time.Time
}

func start(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, in: &door{seen: map[string]bool{}}, log: &bytes.Buffer{}, now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}
	var err error
	if r.store, err = sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	r.serve(r.store)
	return r
}

// serve makes the surface, on a state.
func (r *rig) serve(state amity.State) {
	r.t.Helper()
	var err error
	r.handler, err = amity.New(amity.Config{
		Common: web.Common{
			Keys: keys{}, Log: slog.New(slog.NewTextHandler(r.log, nil)), Now: func() time.Time { return r.now },
			Guesses: listen.NewThrottle(listen.ThrottleConfig{Burst: 1 << 20}),
		},
		Intake: r.in, State: state, Version: "test", Rejected: func(n int) { r.rejected += n },
		Hooks: map[chatbell.NetworkID][]amity.Hook{"acme": {{Secret: hookSecret}, {Secret: hexSecret, Hex: true}}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// call sends a request with headers in pairs.
func (r *rig) call(method, path, body string, header ...string) answer {
	r.t.Helper()
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q)
	got := answer{w.Code, w.Header(), strings.TrimSpace(w.Body.String())}
	if err := openAPI(r.t).conforms(method, path, got); err != nil {
		r.t.Errorf("%s %s is answered with %d %s, which %s does not say: %v", method, path, got.status, got.body, documentPath, err)
	}
	return got
}

// app calls as an app does: with the client key in X-API-Key.
func (r *rig) app(method, path, body string) answer {
	r.t.Helper()
	return r.call(method, path, body, "X-API-Key", clientKey)
}

// user calls with the token of a user.
func (r *rig) user(user, method, path, body string) answer {
	r.t.Helper()
	return r.call(method, path, body, "Authorization", "Bearer "+token(r.t, user))
}

// backend calls with the server key.
func (r *rig) backend(method, path, body string) answer {
	r.t.Helper()
	return r.call(method, path, body, "Authorization", "Bearer "+serverKey)
}

// amity calls as Amity does: signed.
func (r *rig) amity(body string) answer {
	r.t.Helper()
	return r.call("POST", "/v1/hooks/amity", body, "X-Amity-Signature", base64.StdEncoding.EncodeToString(sum(hookSecret, body)))
}

func sum(secret, body string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return mac.Sum(nil)
}

func token(t testing.TB, user string) string {
	t.Helper()
	made := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()})
	made.Header["kid"] = "phones"
	text, err := made.SignedString([]byte(clientKey))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fails checks that an answer is an error of Amity's form, and gives its sentences.
func (r *rig) fails(a answer, status, code int) []string {
	r.t.Helper()
	var got struct {
		Status  string
		Code    int
		Message string
		Data    struct{ Detail []string }
	}
	err := json.Unmarshal([]byte(a.body), &got)
	if err != nil || a.status != status || got.Status != "error" || got.Code != code || got.Message == "" || a.header.Get("Content-Type") != "application/json" {
		r.t.Fatalf("%d %s %s; want %d with the code %d in Amity's form", a.status, a.header.Get("Content-Type"), a.body, status, code)
	}
	return got.Data.Detail
}

// ok checks that an answer is 200 with this body.
func (r *rig) ok(a answer, want string) {
	r.t.Helper()
	if a.status != http.StatusOK || a.body != want {
		r.t.Fatalf("%d %s; want 200 %s", a.status, a.body, want)
	}
}

// devices are the ids of a user's devices.
func (r *rig) devices(user chatbell.UserID) []string {
	r.t.Helper()
	list, err := r.store.Devices(r.t.Context(), "acme", store.DeviceFilter{User: user, Limit: 10})
	if err != nil {
		r.t.Fatal(err)
	}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = string(list[i].ID)
	}
	return ids
}
