package native_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbell"
	"chatbell/handlers/native"
	"chatbell/handlers/web"
	"chatbell/internal/front"
	"chatbell/internal/polltest"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline/intake"
)

// handler is the API without a listener, with parts of a test's own.
func handler(t *testing.T, change func(*native.Config)) (http.Handler, *lockedBuffer) {
	t.Helper()
	st, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	log, in := &lockedBuffer{}, &door{seen: map[string]bool{}}
	c := native.Config{Common: web.Common{Keys: keys{}, Log: slog.New(slog.NewTextHandler(log, nil))}, Intake: in, State: st, DeadLetters: &graves{}}
	change(&c)
	h, err := surfaces(c, in)
	if err != nil {
		t.Fatal(err)
	}
	return h, log
}

func ask(h http.Handler, method, path, body string) answer {
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	q.Header.Set("Authorization", "Bearer "+serverKey)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// midway is a broker that fails between two events of a request.
type midway struct{ statuses []intake.Status }

func (m midway) Accept(_ context.Context, requests []intake.Request) ([]intake.Status, error) {
	return m.statuses[:len(requests)], nil
}

// Each event has its own answer; those that nobody knows of are to be sent again, and
// the rejected between them do not shift the places.
func TestMidwayFailure(t *testing.T) {
	h, _ := handler(t, func(c *native.Config) {
		c.Intake = midway{[]intake.Status{intake.Accepted, intake.Unknown, intake.Duplicate, intake.Unknown}}
	})
	a := ask(h, "POST", "/v1/events", "["+withID("a")+",{},"+withID("b")+","+withID("c")+",7,"+withID("d")+"]")
	var got []string
	for _, e := range results(t, a) {
		got = append(got, e.ID+" "+e.Status)
	}
	if want := []string{"a accepted", " rejected", "b retry", "c duplicate", " rejected", "d retry"}; a.status != 207 || !slices.Equal(got, want) {
		t.Errorf("%d %q, want 207 %q", a.status, got, want)
	}
	h, _ = handler(t, func(c *native.Config) { c.Intake = midway{[]intake.Status{intake.Unknown}} })
	if a := ask(h, "POST", "/v1/events", user); a.status != 207 {
		t.Errorf("one event to be sent again: %d %s", a.status, a.body)
	}
}

type panicking struct{ native.State }

func (panicking) User(context.Context, chatbell.NetworkID, chatbell.UserID) (chatbell.User, error) {
	panic("the store is broken")
}

func (panicking) PutUser(context.Context, chatbell.NetworkID, chatbell.User) error {
	return fmt.Errorf("disk /var/secret/path is full")
}

// A failure of ours says nothing to the caller and everything to the log, and harms no
// other request.
func TestOurFailures(t *testing.T) {
	h, log := handler(t, func(c *native.Config) { c.State = panicking{c.State} })
	r := &rig{t: t}
	for method, logged := range map[string]string{"GET": "the store is broken", "PUT": "/var/secret/path"} {
		a := ask(h, method, "/v1/users/alice", `{"name":"hunter2"}`)
		r.problem(a, 500)
		if strings.Contains(a.body, "broken") || strings.Contains(a.body, "secret") || !strings.Contains(log.String(), logged) {
			t.Errorf("%s: answered %s, logged %s", method, a.body, log)
		}
	}
	if l := log.String(); strings.Contains(l, serverKey) || strings.Contains(l, "hunter2") {
		t.Errorf("the log has what the request said: %s", l)
	}
	if a := ask(h, "DELETE", "/v1/users/alice", ""); a.status != 404 {
		t.Errorf("afterwards: %d %s", a.status, a.body)
	}
}

// An answer stays in proportion: no body gets one mistake for every few bytes of it.
func TestMistakesAreBounded(t *testing.T) {
	r := start(t)
	body := `{"type":"channel.joined","channel":{"id":"c"},"members":[` + strings.TrimSuffix(strings.Repeat(`{"id":""},`, 1000), ",") + `]}`
	got := results(t, r.do(request{method: "POST", path: "/v1/events", body: body}))[0]
	if len(got.Errors) != 100 || got.Errors[99].Pointer != "/members/99/id" {
		t.Errorf("%d mistakes", len(got.Errors))
	}
}

// Every guarded route refuses every wrong credential, says how to send a right one,
// and repeats none of them in the answer or in the log.
func TestEveryRouteRefusesWrongCredentials(t *testing.T) {
	r := start(t)
	sign := func(exp time.Duration, secret string) string {
		return userToken(t, jwt.MapClaims{"sub": "mallory", "exp": time.Now().Add(exp).Unix()}, "phones", secret, jwt.SigningMethodHS256)
	}
	valid, expired := sign(time.Hour, clientSecret), sign(-time.Hour, clientSecret)
	wrong := map[string]int{"a-guess": 401, clientKey: 403, expired: 401, sign(time.Hour, "guessed"): 401, valid + "x": 401}
	guarded := 0
	for path, item := range openAPI(t).Paths {
		for method, op := range item {
			if len(op.Security) == 0 {
				continue
			}
			guarded++
			method, target := strings.ToUpper(method), concrete(path, "alice")
			for key, status := range wrong {
				a := r.do(request{method: method, path: target, key: key, body: "{}"})
				r.problem(a, status)
				if strings.Contains(a.body, "has expired") != (key == expired) {
					t.Errorf("%s %s does not tell an old token from a wrong one: %s", method, target, a.body)
				}
				if strings.Contains(a.body, key) || (status == 401) != strings.Contains(a.header.Get("WWW-Authenticate"), "invalid_token") {
					t.Errorf("%s %s: %v %s", method, target, a.header, a.body)
				}
			}
			own := strings.HasPrefix(path, "/v1/devices") || strings.HasPrefix(path, "/v1/settings/users")
			if a := r.do(request{method: method, path: target, key: valid, body: "{}"}); (!own || strings.Contains(path, "settings")) && a.status != 403 {
				t.Errorf("%s %s with another user's token: %d %s", method, target, a.status, a.body)
			}
		}
	}
	if guarded < 20 {
		t.Errorf("only %d guarded routes", guarded)
	}
	for _, secret := range append([]string{valid, serverKey}, slices.Collect(maps.Keys(wrong))...) {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log has a credential: %s", r.log)
		}
	}
}

// A caller that stops in the middle of a body is told so when its time is over; it does
// not hold a place for good. (The bulk list has a longer time of its own.)
func TestSlowBodies(t *testing.T) {
	h, log := handler(t, func(*native.Config) {})
	srv := front.NewServer(h)
	if srv.ReadTimeout <= 0 || srv.ReadHeaderTimeout <= 0 || srv.WriteTimeout <= 0 || srv.IdleTimeout <= 0 || srv.MaxHeaderBytes <= 0 {
		t.Errorf("a server without bounds: %+v", srv)
	}
	srv.ReadTimeout = 100 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	defer func() { _ = srv.Close(); <-done }()
	for _, route := range []string{
		"POST /v1/events", "PUT /v1/users/x", "PUT /v1/channels/x", "PUT /v1/channels/x/members/y", "POST /v1/devices",
		"PUT /v1/settings/network", "PATCH /v1/settings/users/x", "PUT /v1/settings/users/x/channels/y",
	} {
		t.Run(route, func(t *testing.T) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(polltest.Patience)); err != nil {
				t.Fatal(err)
			}
			_, err = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\":", route, serverKey)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			(&rig{t: t}).problem(answer{resp.StatusCode, resp.Header, string(body)}, 400)
		})
	}
	if log.String() != "" {
		t.Errorf("a slow caller is no event of ours: %s", log)
	}
}

// The network of an answer is the caller's: an id means nothing elsewhere.
func TestNetworksAreApart(t *testing.T) {
	r := start(t)
	r.ok("PUT", "/v1/channels/c/members/alice", `{"name":"Alice"}`)
	r.ok("POST", "/v1/devices", `{"device_id":"d","user":"alice","provider":"fcm","token":"t"}`)
	r.ok("PUT", "/v1/settings/network", `{"enabled":false}`)
	r.ok("PUT", "/v1/settings/users/alice", `{"enabled":false}`)
	for path, status := range map[string]int{
		"GET /v1/users/alice": 404, "DELETE /v1/users/alice": 404, "GET /v1/channels/c": 404, "GET /v1/channels/c/members": 404,
		"DELETE /v1/channels/c": 404, "DELETE /v1/channels/c/members/alice": 404, "DELETE /v1/devices/d": 404, "DELETE /v1/devices?device_id=d": 404,
	} {
		method, target, _ := strings.Cut(path, " ")
		r.problem(r.do(request{method: method, path: target, key: otherKey}), status)
	}
	for path, want := range map[string]string{
		"/v1/devices": `{"devices":[]}`, "/v1/settings/network": `{"enabled":null}`, "/v1/settings/users/alice": `{"enabled":null}`,
	} {
		same(t, path, r.do(request{method: "GET", path: path, key: otherKey}).body, want)
	}
	for _, key := range []string{serverKey, otherKey} {
		if got := results(t, r.do(request{method: "POST", path: "/v1/events", body: withID("e"), key: key})); got[0].Status != "accepted" {
			t.Errorf("the same event id in two networks: %+v", got)
		}
	}
	if n := r.in.events; len(n) != 2 || n[0].Network != "acme" || n[1].Network != "globex" {
		t.Errorf("%+v", n)
	}
	var members struct{ Members []json.RawMessage }
	if err := json.Unmarshal([]byte(r.ok("GET", "/v1/channels/c/members", "").body), &members); err != nil || len(members.Members) != 1 {
		t.Errorf("%v: %d members", err, len(members.Members))
	}
}

// HEAD answers as GET does, without the body: load balancers ask that way.
func TestHead(t *testing.T) {
	r := start(t)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/v1/users/nobody": 404, "/nowhere": 404} {
		if a := r.do(request{method: "HEAD", path: path}); a.status != want || a.body != "" {
			t.Errorf("%s: %d %q, want %d and no body", path, a.status, a.body, want)
		}
	}
}

// An APNs token is one phone's, in capitals or not.
func TestTokenInCapitals(t *testing.T) {
	r := start(t)
	r.ok("POST", "/v1/devices", `{"device_id":"d","user":"a","provider":"apns","app":"x","token":"00AB"}`)
	r.ok("POST", "/v1/devices", `{"device_id":"f","user":"a","provider":"fcm","app":"x","token":"AbC"}`)
	devices := r.ok("GET", "/v1/devices", "").body
	if !strings.Contains(devices, `"token":"00ab"`) || !strings.Contains(devices, `"token":"AbC"`) {
		t.Errorf("the devices are %s", devices)
	}
}
