package centrifugo_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbell"
	"chatbell/handlers/centrifugo"
	"chatbell/handlers/web"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/plan/push"
	"chatbell/pipeline/schedule"
)

// Each network has a server key that is named as it is.
const (
	keyPrefix = "server-key-of-"
	clientKey = "a-client-key-0123456789"
)

var discard = slog.New(slog.DiscardHandler)

type keys struct{}

func (keys) Lookup(sum [sha256.Size]byte) (chatbell.Key, bool) {
	for _, n := range []chatbell.NetworkID{"http", "batch", "parallel", "legacy", "numbers", "acme"} {
		if sum == sha256.Sum256([]byte(keyPrefix+string(n))) {
			return chatbell.Key{ID: "backend", Network: n, Scope: chatbell.ScopeServer}, true
		}
	}
	if sum == sha256.Sum256([]byte(clientKey)) {
		return chatbell.Key{ID: "phones", Network: "acme", Scope: chatbell.ScopeClient}, true
	}
	return chatbell.Key{}, false
}

func (keys) ClientSecret(string) (chatbell.Key, []byte, bool) { return chatbell.Key{}, nil, false }
func (keys) IsAdmin([sha256.Size]byte) bool                   { return false }
func (keys) Networks() []chatbell.NetworkID                   { return []chatbell.NetworkID{"acme"} }

// door is an intake that keeps what it accepts; answer may refuse.
type door struct {
	mu     sync.Mutex
	answer error
	taken  []push.Request
}

func (in *door) Accept(_ context.Context, requests []intake.Request) ([]intake.Status, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.answer != nil {
		return nil, in.answer
	}
	out := make([]intake.Status, len(requests))
	for i := range requests {
		var one push.Request
		if err := json.Unmarshal(requests[i].Payload, &one); err != nil {
			return nil, err
		}
		in.taken = append(in.taken, one)
	}
	return out, nil
}

// last is what was accepted last.
func (in *door) last() push.Request {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.taken) == 0 {
		return push.Request{}
	}
	return in.taken[len(in.taken)-1]
}

func (in *door) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.taken)
}

// rig is the surface on a real listener, with a real store.
type rig struct {
	testing.TB

	in    *door
	state *sqlite.Store
	url   string

	bodies *web.Bodies
}

// now is what the surface's clock says.
var now = time.Unix(1_800_000_000, 0)

// ticking is a clock that is a millisecond later each time: devices that are made one after
// another have ids in that order.
func ticking() func() time.Time {
	var ticks atomic.Int64
	return func() time.Time { return now.Add(time.Duration(ticks.Add(1)) * time.Millisecond) }
}

func start(t testing.TB) *rig {
	t.Helper()
	state, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{TB: t, in: &door{}, state: state, bodies: web.NewBodies(nil)}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	h, err := centrifugo.New(centrifugo.Config{
		Common:   web.Common{Keys: keys{}, Log: log, Now: ticking(), Bodies: r.bodies},
		State:    state,
		Intake:   r.in,
		Schedule: schedule.New(schedule.Config{Store: state, Intake: r.in, Log: log}),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// do makes a request and gives status, body and header of the answer.
func (r *rig) do(method, path, body string, header ...string) (int, string, http.Header) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		r.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp.StatusCode, string(data), resp.Header
}

// call calls a method as most do.
func (r *rig) call(method, params string) answer {
	r.Helper()
	status, body, _ := r.do(http.MethodPost, "/api/"+method, params, "X-API-Key", keyPrefix+"acme")
	return r.read(status, body)
}

// answer is what any transport says of one command.
type answer struct {
	Status int `json:"-"`
	Error  struct {
		Code    int
		Message string
		Detail  string
	}
	Result json.RawMessage
}

func (r *rig) read(status int, body string) answer {
	r.Helper()
	out := answer{Status: status}
	if status == http.StatusOK {
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			r.Fatalf("the answer %s: %v", body, err)
		}
	}
	return out
}

// transports are the ways to call a method. Each has a network of its own.
var transports = map[string]func(r *rig, name string, enum int, params string) answer{
	"http": func(r *rig, name string, _ int, params string) answer {
		status, body, _ := r.do(http.MethodPost, "/api/"+name, params, "X-API-Key", keyPrefix+"http")
		return r.read(status, body)
	},
	"batch":    func(r *rig, name string, _ int, params string) answer { return r.batch("batch", name, params, false) },
	"parallel": func(r *rig, name string, _ int, params string) answer { return r.batch("parallel", name, params, true) },
	"legacy": func(r *rig, name string, _ int, params string) answer {
		status, body, _ := r.do(http.MethodPost, "/api", `{"id":7,"method":"`+strings.ToUpper(name)+`","params":`+params+`}`, "X-API-Key", keyPrefix+"legacy")
		return r.read(status, body)
	},
	"numbers": func(r *rig, _ string, enum int, params string) answer {
		number, err := json.Marshal(enum)
		if err != nil {
			r.Fatal(err)
		}
		status, body, _ := r.do(http.MethodPost, "/api", `{"method":`+string(number)+`,"params":`+params+`}`, "X-API-Key", keyPrefix+"numbers")
		return r.read(status, body)
	},
}

func (r *rig) batch(network, name, params string, parallel bool) answer {
	r.Helper()
	body, err := json.Marshal(map[string]any{"commands": []any{map[string]json.RawMessage{name: json.RawMessage(params)}}, "parallel": parallel})
	if err != nil {
		r.Fatal(err)
	}
	status, said, _ := r.do(http.MethodPost, "/api/batch", string(body), "X-API-Key", keyPrefix+network)
	out := answer{Status: status}
	if status != http.StatusOK {
		return out
	}
	var replies struct{ Replies []map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(said), &replies); err != nil || len(replies.Replies) != 1 || len(replies.Replies[0]) != 1 {
		r.Fatalf("the answer %s: %v", said, err)
	}
	if failed, ok := replies.Replies[0]["error"]; ok {
		if err := json.Unmarshal(failed, &out.Error); err != nil {
			r.Fatal(err)
		}
		return out
	}
	out.Result = replies.Replies[0][name]
	return out
}
