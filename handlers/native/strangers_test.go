package native_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbell"
	"chatbell/handlers/native"
	"chatbell/handlers/web"
	"chatbell/internal/store"
)

// A credential acts for its own network; one that is asked to act for another refuses
// rather than act on the wrong one.
func TestNetworkOfAnother(t *testing.T) {
	r := start(t)
	token := userToken(t, jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}, "phones", clientSecret, jwt.SigningMethodHS256)
	for _, key := range []string{serverKey, token} {
		for network, status := range map[string]int{"": 200, "acme": 200, "globex": 403, "nobody": 403, "ACME": 403} {
			a := r.do(request{method: "GET", path: "/v1/settings/users/alice?network=" + network, key: key})
			if a.status != status {
				t.Errorf("?network=%s: %d %s, want %d", network, a.status, a.body, status)
			}
			if status == 403 && (!strings.Contains(a.body, "acts for the network acme only") || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="insufficient_scope"`)) {
				t.Errorf("?network=%s: %v %s", network, a.header, a.body)
			}
		}
	}
}

// A refused credential is told in the way that HTTP has for it (RFC 9110 §11.6.1, RFC 6750 §3).
func TestChallenges(t *testing.T) {
	r := start(t)
	for key, want := range map[string]string{
		"-":       `Bearer realm="chatbell"`,
		"a-guess": `Bearer realm="chatbell", error="invalid_token"`,
		"a.b.c":   `Bearer realm="chatbell", error="invalid_token"`,
		clientKey: `Bearer realm="chatbell", error="insufficient_scope"`,
		serverKey: "",
	} {
		if got := r.do(request{method: "GET", path: "/v1/devices", key: key}).header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%q is challenged with %s, want %s", key, got, want)
		}
	}
}

// Wrong keys are answered ever more slowly and logged once, without the key; a right key
// from the same address does not wait.
func TestWrongKeys(t *testing.T) {
	counted := refusals{}
	h, log := handler(t, func(c *native.Config) { c.Observer = counted })
	srv := httptest.NewServer(h)
	defer srv.Close()
	r := &rig{t: t, addr: strings.TrimPrefix(srv.URL, "http://"), client: srv.Client()}
	begin := time.Now()
	for i := range 16 {
		if a := r.do(request{method: "GET", path: "/v1/devices", key: fmt.Sprint("wrong-key-", i)}); a.status != 401 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if took := time.Since(begin); took < 1500*time.Millisecond { // ten at once, four a second
		t.Errorf("16 wrong keys were answered within %s", took)
	}
	begin = time.Now()
	for range 50 {
		r.ok("GET", "/v1/devices", "")
	}
	if took := time.Since(begin); took > 60*time.Second { // slowed they would wait for two seconds each
		t.Errorf("50 right keys took %s", took)
	}
	if counted[web.RefusedUnknown] != 16 {
		t.Errorf("counted %v", counted)
	}
	if got := log.String(); strings.Count(got, "wrong API key") != 1 || strings.Contains(got, "wrong-key-") || !strings.Contains(got, "address=127.0.0.1") {
		t.Errorf("the log says %s", got)
	}
}

// refusals counts the refused credentials of requests one after another.
type refusals map[string]int

func (refusals) Request(string, string, int, time.Duration) {}
func (r refusals) Refused(why string)                       { r[why]++ }

// Each refused credential is counted by its reason, what is no matter of the credential
// is not.
func TestRefusalsAreCounted(t *testing.T) {
	counted := refusals{}
	h, _ := handler(t, func(c *native.Config) { c.Observer = counted })
	srv := httptest.NewServer(h)
	defer srv.Close()
	r := &rig{t: t, addr: strings.TrimPrefix(srv.URL, "http://"), client: srv.Client()}
	sign := func(exp time.Duration, secret string) string {
		return userToken(t, jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(exp).Unix()}, "phones", secret, jwt.SigningMethodHS256)
	}
	for _, key := range []string{"-", "a-guess", sign(time.Hour, "guessed"), sign(-time.Hour, clientSecret), sign(time.Hour, clientSecret), clientKey, adminKey, serverKey} {
		r.do(request{method: "GET", path: "/v1/users/alice", key: key}) // 401, 403, the admin's 400, 404
	}
	want := refusals{web.RefusedNone: 1, web.RefusedUnknown: 2, web.RefusedExpired: 1, web.RefusedScope: 2}
	if fmt.Sprint(counted) != fmt.Sprint(want) {
		t.Errorf("counted %v, want %v", counted, want)
	}
}

// None of several codings is overlooked.
func TestCodings(t *testing.T) {
	r := start(t)
	for codings, want := range map[string]int{
		"": 202, "Content-Encoding: identity\r\n": 202, "Content-Encoding: gzip\r\n": 415, "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n": 415,
		"Content-Encoding: identity\r\ncontent-encoding: x, y\r\n": 415,
	} {
		for path, body := range map[string]string{"POST /v1/events": withID("e"), "PUT /v1/channels/c/members": `{"id":"a"}`} {
			status := statusOf(t, r.addr, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-ndjson\r\n%sContent-Length: %d\r\n\r\n%s",
				path, serverKey, codings, len(body), body))
			if want == 202 && status/100 != 2 || want != 202 && status != want {
				t.Errorf("%s with %q: %d, want %d", path, codings, status, want)
			}
		}
	}
}

// status sends a request as it is.
func statusOf(t *testing.T, addr, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Who relies on Idempotency-Key is told that it does nothing, on each write, before
// anything is written.
func TestIdempotencyKey(t *testing.T) {
	r := start(t)
	writes := 0
	for path, item := range openAPI(t).Paths {
		for method, op := range item {
			q := request{method: strings.ToUpper(method), path: concrete(path, "x"), body: "{}", header: map[string]string{"Idempotency-Key": "k"}}
			a := r.do(q)
			if method == "get" {
				if a.status == 400 {
					t.Errorf("GET %s: %s", path, a.body)
				}
				continue
			}
			writes++
			r.problem(a, 400)
			if !strings.Contains(a.body, "Idempotency-Key is not in this build: leave it out") {
				t.Errorf("%s %s: %s", method, path, a.body)
			}
			if q.key = "a-guess"; len(op.Security) > 0 && writes < 5 {
				r.problem(r.do(q), 401)
			}
		}
	}
	if writes < 15 {
		t.Errorf("only %d writes", writes)
	}
	if len(r.in.events) != 0 {
		t.Error("an event was stored")
	}
}

// Who is lost is told the nearest route and the methods, and where all of them are.
func TestLost(t *testing.T) {
	r := start(t)
	for path, want := range map[string]string{
		"/v1/event": "/v1/events.", "/events": "/v1/events.", "/v1/events/": "/v1/events.", "/v2/events": "/v1/events.", "/v1/user/alice": "/v1/users/{user}.",
		"/v1/channels/c/member/bob": "/v1/channels/{channel}/members/{user}.", "/health": "/healthz.", "/openapi.yaml": "/openapi.json.", "/api/v1/devices": "/v1/devices.",
		"/wp-login.php": "", "/a/b/c/d/e/f/g/h/i/j": "", "/" + strings.Repeat("x", 5000): "",
	} {
		a := r.do(request{method: "GET", path: path, key: "-"})
		r.problem(a, 404)
		if want != "" && !strings.Contains(a.body, "the nearest is "+want) || want == "" && strings.Contains(a.body, "nearest") || !strings.Contains(a.body, "/openapi.json") {
			t.Errorf("%s: %s, want %s", path, a.body, want)
		}
	}
	for what, want := range map[string]string{
		"PATCH /v1/users/alice": "DELETE, GET, HEAD, PUT", "GET /v1/events": "POST", "POST /v1/channels/c/members": "GET, HEAD, PUT", "DELETE /healthz": "GET, HEAD", "POST /": "GET, HEAD",
	} {
		method, path, _ := strings.Cut(what, " ")
		a := r.do(request{method: method, path: path})
		r.problem(a, 405)
		if a.header.Get("Allow") != want || !strings.Contains(a.body, want) {
			t.Errorf("%s: Allow %q, %s; want %s", what, a.header.Get("Allow"), a.body, want)
		}
	}
}

// OPTIONS is how a program asks for the methods.
func TestOptions(t *testing.T) {
	r := start(t)
	a := r.do(request{method: "OPTIONS", path: "/v1/users/alice", key: "-"})
	for _, method := range []string{"DELETE", "GET", "PUT"} {
		if a.status != 204 || !strings.Contains(a.header.Get("Allow"), method) {
			t.Errorf("%d, Allow %q", a.status, a.header.Get("Allow"))
		}
	}
}

// Whoever has only the address finds the way.
func TestIndex(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/", "/docs"} {
		var out struct {
			Name, Version string
			Links         map[string]string
		}
		a := r.do(request{method: "GET", path: path, key: "-"})
		if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 200 || out.Name != "chatbell" || out.Version != "test" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		for link := range out.Links {
			if a := r.do(request{method: "GET", path: link, key: "-"}); a.status != 200 {
				t.Errorf("%s links to %s: %d", path, link, a.status)
			}
		}
		a = r.do(request{method: "GET", path: path, key: "-", header: map[string]string{"Accept": "text/html,*/*;q=0.8"}})
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, `<a href="/openapi.json">`) {
			t.Errorf("%s for a browser: %d %v %s", path, a.status, a.header, a.body)
		}
	}
}

// broken is a store that cannot work just now.
type broken struct {
	native.State
	err error
}

func (b broken) PutUser(ctx context.Context, network chatbell.NetworkID, u chatbell.User) error {
	if b.err != nil {
		return b.err
	}
	return b.State.PutUser(ctx, network, u)
}

func (b broken) User(ctx context.Context, network chatbell.NetworkID, id chatbell.UserID) (chatbell.User, error) {
	if b.err != nil {
		return chatbell.User{}, b.err
	}
	return b.State.User(ctx, network, id)
}

// A full disk and a busy store are no failures of the request: it may come again.
func TestStoreUnavailable(t *testing.T) {
	for _, cause := range []error{store.ErrFull, store.ErrUnavailable} {
		h, log := handler(t, func(c *native.Config) { c.State = broken{c.State, fmt.Errorf("put user: %w: the cause", cause)} })
		for _, method := range []string{"PUT", "GET"} {
			a := ask(h, method, "/v1/users/a", "{}")
			(&rig{t: t}).problem(a, 503)
			if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "nothing was changed") {
				t.Errorf("%v: %v %s", cause, a.header, a.body)
			}
		}
		if !strings.Contains(log.String(), "the cause") {
			t.Errorf("the log says %s", log)
		}
	}
}

// lists tells when a list comes in, and lets it end when it may.
type lists struct {
	native.State
	entered chan chatbell.NetworkID
	leave   chan struct{}
}

func (l lists) ReplaceMembers(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, members iter.Seq2[chatbell.Member, error]) (int, error) {
	l.entered <- network
	<-l.leave
	return l.State.ReplaceMembers(ctx, network, channel, members)
}

// Of one network two bulk lists come in at once; another network's are none of theirs.
func TestBulkListsAtOnce(t *testing.T) {
	slow := lists{entered: make(chan chatbell.NetworkID, 10), leave: make(chan struct{})}
	h, _ := handler(t, func(c *native.Config) { slow.State, c.State = c.State, &slow })
	srv := httptest.NewServer(h)
	defer srv.Close()
	r := &rig{t: t, addr: strings.TrimPrefix(srv.URL, "http://"), client: srv.Client()}
	answers := make(chan answer, 10)
	put := func(key string) {
		answers <- r.do(request{method: "PUT", path: "/v1/channels/c/members", key: key, media: "application/x-ndjson", body: `{"id":"a"}`})
	}
	for i, key := range []string{serverKey, serverKey, otherKey} {
		go put(key)
		if got, want := <-slow.entered, []chatbell.NetworkID{"acme", "acme", "globex"}[i]; got != want {
			t.Fatalf("a list of %s came in, want one of %s", got, want)
		}
	}
	// Its end is still to come: it is refused all the same.
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "PUT /v1/channels/c/members HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n", serverKey); err != nil {
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
	r.problem(answer{resp.StatusCode, resp.Header, string(body)}, 429)
	if resp.Header.Get("Retry-After") == "" {
		t.Errorf("%v", resp.Header)
	}
	close(slow.leave)
	for range 3 {
		if a := <-answers; a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	put(serverKey)
	if a := <-answers; a.status != 200 {
		t.Errorf("when they have ended: %d %s", a.status, a.body)
	}
}
