package fcm_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/fcm"
	"chatbell/pipeline/push/pushtest"
)

func newNotifier(t testing.TB, c fcm.Config) *fcm.Notifier {
	t.Helper()
	n, err := fcm.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// start makes a service, its token endpoint and a Notifier for both.
func start(t *testing.T, tokens *tokenEndpoint, change ...func(*fcm.Config)) (*pushtest.Server, *fcm.Notifier, push.Payload) {
	t.Helper()
	srv := pushtest.NewServer(t, &pushtest.Harness{IsSend: isSend, Accepted: accepted})
	endpoint := httptest.NewServer(tokens)
	t.Cleanup(func() { endpoint.CloseClientConnections(); endpoint.Close() })
	c := fcm.Config{
		App: "com.acme.chat", CredentialsJSON: credentials(t, endpoint.URL, "push@acme-chat.example"),
		Endpoint: srv.URL(), RootCAs: srv.Roots(),
	}
	for _, f := range change {
		f(&c)
	}
	n := newNotifier(t, c)
	p, err := n.Prepare(&push.Content{Title: "t", Body: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return srv, n, p
}

// sendAll sends n times at once and returns the errors.
func sendAll(ctx context.Context, n *fcm.Notifier, p push.Payload, times int) []error {
	errs := make([]error, times)
	var wg sync.WaitGroup
	for i := range times {
		wg.Go(func() { _, errs[i] = n.Send(ctx, p, push.Target{Token: token(i)}) })
	}
	wg.Wait()
	return errs
}

func TestOneFetchForAll(t *testing.T) {
	tokens := &tokenEndpoint{}
	_, n, p := start(t, tokens)
	for range 3 {
		if err := errors.Join(sendAll(t.Context(), n, p, 200)...); err != nil {
			t.Fatal(err)
		}
	}
	if got := tokens.fetches.Load(); got != 1 {
		t.Errorf("%d fetches for 600 sends", got)
	}
}

func TestFailedFetch(t *testing.T) {
	for name, c := range map[string]struct {
		say  func(w http.ResponseWriter, r *http.Request)
		want chatbell.SendError
	}{
		"refused": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"` + r.PostFormValue("assertion") + `"}`))
		}, chatbell.SendError{Reason: chatbell.Auth}},
		"no token in it": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{}`))
		}, chatbell.SendError{Reason: chatbell.Auth}},
		"redirected": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, chatbell.SendError{Reason: chatbell.Auth}},
		"busy": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(503)
		}, chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, RetryAfter: 9 * time.Second}},
		"broken": {func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, chatbell.SendError{Reason: chatbell.Unavailable, Retry: true}},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := &tokenEndpoint{say: c.say}
			srv, n, p := start(t, tokens)
			for _, err := range sendAll(t.Context(), n, p, 100) {
				var got *chatbell.SendError
				if !errors.As(err, &got) {
					t.Fatalf("err = %v", err)
				}
				if got.Reason != c.want.Reason || got.Retry != c.want.Retry || got.RetryAfter != c.want.RetryAfter || got.FateUnknown {
					t.Fatalf("got %+v, want %+v", got, c.want)
				}
				if strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), "PRIVATE") {
					t.Fatalf("the error tells a secret: %v", err)
				}
			}
			// A broken connection is repeated by net/http at most where that is harmless.
			if got := tokens.fetches.Load(); got > 3 || len(srv.Sends()) != 0 {
				t.Errorf("%d fetches, %d sends", got, len(srv.Sends()))
			}
		})
	}
}

// A token endpoint that hangs holds up nobody longer than a send's own bound, and
// not the end of the process.
func TestHangingFetch(t *testing.T) {
	// A fetch is given up after some seconds. Only while it hangs can be seen who waits
	// for it, and a machine that stands still for that long gets another try.
	const tries = 4
	for try := 1; ; try++ {
		tokens, early := hangingFetch(t)
		if early {
			return
		}
		if try == tries {
			t.Fatalf("the sends and Close ended only with the fetch, %d times", tries)
		}
		t.Logf("try %d: the fetch ended before the sends did (%d were begun)", try, tokens.fetches.Load())
	}
}

// hangingFetch sends while the token endpoint hangs, closes, and reports whether all
// that was over while the first fetch still hung.
func hangingFetch(t *testing.T) (tokens *tokenEndpoint, early bool) {
	t.Helper()
	var over atomic.Int64
	tokens = &tokenEndpoint{say: func(_ http.ResponseWriter, r *http.Request) {
		defer over.Add(1)
		_ = r.ParseForm() // only then does the server notice that the client has gone
		<-r.Context().Done()
	}}
	srv, n, p := start(t, tokens, func(c *fcm.Config) { c.Timeout = 200 * time.Millisecond })
	began := time.Now()
	errs := sendAll(t.Context(), n, p, 100)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, cancelled := n.Send(ctx, p, push.Target{Token: token(0)})
	early = over.Load() == 0
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	early = early && time.Since(began) < 6*time.Second // the fetch's own end is at 8
	if !early {
		return tokens, false
	}
	for _, err := range errs {
		var got *chatbell.SendError
		if !errors.As(err, &got) || got.Reason != chatbell.Timeout || !got.Retry || got.FateUnknown {
			t.Fatalf("err = %v (%+v), want a timeout with known fate", err, got)
		}
	}
	if !errors.Is(cancelled, context.Canceled) {
		t.Errorf("err = %v, want cancelled", cancelled)
	}
	if len(srv.Sends()) != 0 {
		t.Error("something was sent without an access token")
	}
	return tokens, true
}

// A token endpoint and a service on plain HTTP/1.1, as in a development setup.
func TestPlainHTTP(t *testing.T) {
	var mu sync.Mutex
	seen := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		seen++
		mu.Unlock()
		_, _ = w.Write([]byte(`{"name":"n"}`))
	}))
	t.Cleanup(srv.Close)
	_, n, p := start(t, &tokenEndpoint{}, func(c *fcm.Config) { c.Endpoint = srv.URL })
	if err := errors.Join(sendAll(t.Context(), n, p, 50)...); err != nil {
		t.Error(err)
	}
	if seen != 50 {
		t.Errorf("%d requests for 50 sends", seen)
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	good := string(credentials(t, "https://oauth2.example/token", "push@acme.example"))
	for name, c := range map[string]struct{ credentials, endpoint, want string }{
		"not JSON":           {"SECRET", "", "not JSON"},
		"another kind":       {`{"type":"authorized_user","refresh_token":"SECRET"}`, "", "service account"},
		"no project":         {strings.Replace(good, "project_id", "x", 1), "", "project_id"},
		"no account":         {strings.Replace(good, "client_email", "x", 1), "", "client_email"},
		"no key":             {strings.Replace(good, "BEGIN PRIVATE", "SECRET", 1), "", "private_key"},
		"token_uri is wrong": {strings.Replace(good, "https://oauth2.example/token", "ftp://x/y", 1), "", "token_uri"},
		"endpoint with path": {good, "https://fcm.example/v1", "scheme and host only"},
		"endpoint is wrong":  {good, "fcm.example", "https://"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := fcm.New(fcm.Config{App: "com.acme.chat", CredentialsJSON: []byte(c.credentials), Endpoint: c.endpoint})
			if err == nil {
				_ = n.Close()
				t.Fatal("accepted")
			}
			if text := err.Error(); !strings.Contains(text, c.want) || strings.Contains(text, "SECRET") || !strings.Contains(text, "com.acme.chat") {
				t.Errorf("error %q does not say %q and the app, or tells a secret", text, c.want)
			}
		})
	}
	if n := newNotifier(t, fcm.Config{CredentialsJSON: []byte(good)}); n.Streams() < 100 {
		t.Errorf("%d streams", n.Streams())
	}
}
