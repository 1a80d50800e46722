package webhooks_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/pipeline/webhooks"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func newClient(t *testing.T, cfg webhooks.Config) *webhooks.Client {
	t.Helper()
	c, err := webhooks.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func endpoint(url string) chatbell.Endpoint {
	return chatbell.Endpoint{ID: "main", URL: url, Secret: secret, Events: []string{"*"}, Signatures: []string{"standard", "amity"}}
}

func call() webhooks.Call {
	return webhooks.Call{ID: "msg_1", Attempt: 3, Body: []byte(`{"hello":"world"}`), TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
}

// received is what a customer's server saw.
type received struct {
	method, proto string
	header        http.Header
	body          []byte
}

func receiver(t *testing.T, start func(http.Handler) *httptest.Server) (*httptest.Server, <-chan received) {
	t.Helper()
	got := make(chan received, 16)
	s := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- received{r.Method, r.Proto, r.Header, body}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	return s, got
}

func secureServer(http2 bool) func(http.Handler) *httptest.Server {
	return func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.EnableHTTP2 = http2
		s.StartTLS()
		return s
	}
}

func TestDeliverIsVerifiable(t *testing.T) {
	for name, start := range map[string]func(http.Handler) *httptest.Server{
		"HTTP/1.1": httptest.NewServer, "HTTP/1.1 TLS": secureServer(false), "HTTP/2.0 TLS": secureServer(true),
	} {
		t.Run(name, func(t *testing.T) {
			s, got := receiver(t, start)
			roots := x509.NewCertPool()
			if s.Certificate() != nil {
				roots.AddCert(s.Certificate())
			}
			c := newClient(t, webhooks.Config{AllowPrivate: loopback(), RootCAs: roots, Version: "1.2.3"})
			status, err := c.Deliver(t.Context(), endpoint(s.URL+"/hook"), call())
			if err != nil || status != http.StatusNoContent {
				t.Fatalf("Deliver = %d, %v", status, err)
			}
			checkReceived(t, <-got, strings.TrimSuffix(name, " TLS"))
		})
	}
}

func checkReceived(t *testing.T, r received, proto string) {
	t.Helper()
	if r.method != http.MethodPost || r.proto != proto {
		t.Errorf("got %s over %s, want POST over %s", r.method, r.proto, proto)
	}
	for k, want := range map[string]string{
		"content-type": "application/json", "user-agent": "chatbell/1.2.3", "chatbell-attempt": "3",
		"webhook-id": "msg_1", "traceparent": call().TraceParent,
	} {
		if got := r.header.Get(k); got != want {
			t.Errorf("header %s = %q, want %q", k, got, want)
		}
	}
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify(r.body, r.header); err != nil {
		t.Errorf("the specification's library refuses the signature: %v", err)
	}
	if !webhooks.VerifyAmity(secret, r.header.Get("x-amity-signature"), r.body) {
		t.Error("x-amity-signature is wrong")
	}
	tampered := append([]byte(" "), r.body...)
	if wh.Verify(tampered, r.header) == nil || webhooks.VerifyAmity(secret, r.header.Get("x-amity-signature"), tampered) {
		t.Error("a changed body still verifies")
	}
	r.header.Set("webhook-id", "msg_2")
	if wh.Verify(r.body, r.header) == nil {
		t.Error("a changed webhook-id still verifies")
	}
}

func sendError(t *testing.T, err error) *chatbell.SendError {
	t.Helper()
	var e *chatbell.SendError
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want a *chatbell.SendError", err, err)
	}
	return e
}

func TestDeliverJudgesAnswers(t *testing.T) {
	tests := []struct {
		status     int
		retryAfter string
		want       *chatbell.SendError
	}{
		{200, "", nil},
		{201, "", nil},
		{204, "", nil},
		{301, "", &chatbell.SendError{Reason: chatbell.Rejected, Retry: true, ProviderReason: "redirect"}},
		{307, "", &chatbell.SendError{Reason: chatbell.Rejected, Retry: true, ProviderReason: "redirect"}},
		{400, "", &chatbell.SendError{Reason: chatbell.Rejected, Retry: true, ProviderReason: "http_400"}},
		{401, "", &chatbell.SendError{Reason: chatbell.Rejected, Retry: true, ProviderReason: "http_401"}},
		{404, "", &chatbell.SendError{Reason: chatbell.Rejected, Retry: true, ProviderReason: "http_404"}},
		{408, "", &chatbell.SendError{Reason: chatbell.Timeout, Retry: true, ProviderReason: "http_408"}},
		{410, "60", &chatbell.SendError{Reason: chatbell.EndpointDisabled, ProviderReason: "http_410"}},
		{413, "", &chatbell.SendError{Reason: chatbell.Rejected, Retry: true, ProviderReason: "http_413"}},
		{429, "7", &chatbell.SendError{Reason: chatbell.RateLimited, Retry: true, RetryAfter: 7 * time.Second, ProviderReason: "http_429"}},
		{500, "", &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, ProviderReason: "http_500"}},
		{502, "", &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, FateUnknown: true, ProviderReason: "http_502"}},
		{503, "120", &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, RetryAfter: 2 * time.Minute, ProviderReason: "http_503"}},
		{504, "", &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, FateUnknown: true, ProviderReason: "http_504"}},
	}
	c := newClient(t, webhooks.Config{AllowPrivate: loopback()})
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("a redirect was followed")
				}
				w.Header().Set("Location", "/elsewhere")
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, "the answer's text is nobody's business")
			}))
			defer s.Close()
			status, err := c.Deliver(t.Context(), endpoint(s.URL), call())
			if status != tt.status {
				t.Errorf("status = %d, want %d", status, tt.status)
			}
			if tt.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			tt.want.Status = tt.status
			if diff := cmp.Diff(*tt.want, *sendError(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeliverRefusesPrivateAddresses(t *testing.T) {
	s, got := receiver(t, secureServer(true))
	plain, gotPlain := receiver(t, httptest.NewServer)
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	plainPort := plain.URL[strings.LastIndex(plain.URL, ":"):]
	elsewhere := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	tests := map[string]struct {
		url   string
		allow []netip.Prefix
	}{
		"loopback":                    {"https://127.0.0.1" + port, nil},
		"name of loopback":            {"https://localhost" + port, nil},
		"loopback within IPv6":        {"https://[::ffff:127.0.0.1]" + port, nil},
		"unspecified":                 {"https://0.0.0.0" + port, nil},
		"another network is allowed":  {"https://127.0.0.1" + port, elsewhere},
		"private":                     {"https://10.0.0.1", nil},
		"carrier-grade NAT":           {"https://100.64.0.1", nil},
		"cloud metadata":              {"https://169.254.169.254/latest/meta-data", nil},
		"IPv6 loopback":               {"https://[::1]" + port, nil},
		"IPv6 unique local":           {"https://[fc00::1]", nil},
		"plain http, nothing allowed": {"http://localhost" + plainPort, nil},
		"plain http to a name":        {"http://localhost" + plainPort, elsewhere},
		"plain http to an address":    {"http://127.0.0.1" + plainPort, elsewhere},
		"plain http to the public":    {"http://8.8.8.8", elsewhere},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, webhooks.Config{AllowPrivate: tt.allow})
			status, err := c.Deliver(t.Context(), endpoint(tt.url), call())
			e := sendError(t, err)
			if status != 0 || e.Reason != chatbell.BlockedAddress || e.ProviderReason != "blocked_address" || e.Retry || e.FateUnknown {
				t.Errorf("Deliver = %d, %+v, want blocked_address without a retry", status, e)
			}
		})
	}
	if len(got)+len(gotPlain) != 0 {
		t.Error("a refused address was called")
	}
}

func TestDeliverAllowsNamedNetworks(t *testing.T) {
	s, got := receiver(t, httptest.NewServer)
	// The same network, written as IPv6.
	c := newClient(t, webhooks.Config{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.0/104")}})
	if _, err := c.Deliver(t.Context(), endpoint(s.URL), call()); err != nil {
		t.Fatal(err)
	}
	<-got
	if _, err := webhooks.New(webhooks.Config{AllowPrivate: []netip.Prefix{{}}}); err == nil {
		t.Error("an invalid network is accepted")
	}
}

// A call that arrived and was not answered in time may have done its work.
func TestDeliverTimesOut(t *testing.T) {
	release := make(chan struct{})
	var arrived atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived.Store(true)
		<-release
	}))
	defer s.Close()
	defer close(release)
	var status int
	var err error
	// The bound is of the whole call, and a busy machine takes its time to connect: it
	// gets longer until the call arrives.
	for timeout := 50 * time.Millisecond; !arrived.Load(); timeout *= 2 {
		status, err = newClient(t, webhooks.Config{AllowPrivate: loopback(), Timeout: timeout}).Deliver(t.Context(), endpoint(s.URL), call())
	}
	e := sendError(t, err)
	if status != 0 || e.Reason != chatbell.Timeout || e.ProviderReason != "no_answer" || !e.Retry || !e.FateUnknown {
		t.Errorf("Deliver = %d, %+v, want a timeout of unknown fate", status, e)
	}
}

func TestDeliverReportsTheCallersCancellation(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-release }))
	defer s.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := newClient(t, webhooks.Config{AllowPrivate: loopback()}).Deliver(ctx, endpoint(s.URL), call())
	var e *chatbell.SendError
	if !errors.Is(err, context.Canceled) || errors.As(err, &e) {
		t.Errorf("got %v, want the cancellation itself", err)
	}
}

func TestDeliverKnowsWhetherItWasHeard(t *testing.T) {
	c := newClient(t, webhooks.Config{AllowPrivate: loopback()})
	t.Run("nobody listens", func(t *testing.T) {
		_, err := c.Deliver(t.Context(), endpoint("http://"+polltest.NobodyListens(t)), call())
		if e := sendError(t, err); e.Reason != chatbell.Unavailable || e.ProviderReason != "connection_refused" || !e.Retry || e.FateUnknown {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("hangs up after reading", func(t *testing.T) {
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		defer s.Close()
		_, err := c.Deliver(t.Context(), endpoint(s.URL), call())
		if e := sendError(t, err); e.Reason != chatbell.Unavailable || e.ProviderReason != "connection_closed" || !e.Retry || !e.FateUnknown {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("unknown authority", func(t *testing.T) {
		s, got := receiver(t, secureServer(true))
		_, err := c.Deliver(t.Context(), endpoint(s.URL), call())
		if e := sendError(t, err); e.Reason != chatbell.Unavailable || e.ProviderReason != "tls_untrusted" || !e.Retry || e.FateUnknown || !strings.Contains(e.Error(), "ca_files") {
			t.Errorf("got %v", e)
		}
		if len(got) != 0 {
			t.Error("called nevertheless")
		}
	})
}

func TestDeliverDoesNotWaitForADrippingAnswer(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer s.Close()
	defer close(release)
	c := newClient(t, webhooks.Config{AllowPrivate: loopback(), Timeout: time.Hour})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if status, err := c.Deliver(t.Context(), endpoint(s.URL), call()); status != http.StatusOK || err != nil {
			t.Errorf("Deliver = %d, %v", status, err)
		}
	}()
	polltest.Closed(t, "Deliver returns, although the answer has no end", done)
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	leaks := []string{"user", "passw0rd", "tok3n", "private-path", "MfKQ9r8", "nobody's business"}
	raw := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			}
		}()
		return l.Addr().String()
	}
	s, _ := receiver(t, secureServer(true))
	c := newClient(t, webhooks.Config{AllowPrivate: loopback()})
	for name, ep := range map[string]chatbell.Endpoint{
		"no answer":          endpoint("http://user:passw0rd@" + raw("") + "/private-path?tok3n=1"),
		"not HTTP":           endpoint("http://user:passw0rd@" + raw("nobody's business nobody's business\r\n\r\n") + "/private-path?tok3n=1"),
		"certificate":        endpoint(strings.Replace(s.URL, "//", "//user:passw0rd@", 1) + "/private-path?tok3n=1"),
		"no such host":       endpoint("https://user:passw0rd@chatbell.invalid/private-path?tok3n=1"),
		"malformed URL":      endpoint("https://user:passw0rd@bad host/private-path?tok3n=1"),
		"malformed port":     endpoint("https://user:passw0rd@127.0.0.1:99999/private-path?tok3n=1"),
		"scheme":             endpoint("ftp://user:passw0rd@127.0.0.1/private-path?tok3n=1"),
		"secret not base64":  {URL: "http://127.0.0.1:1", Secret: "whsec_%passw0rd"},
		"no secret":          {URL: "http://127.0.0.1:1"},
		"unknown signature":  {URL: "http://127.0.0.1:1", Secret: "passw0rd", Signatures: []string{"tok3n"}},
		"blocked by address": endpoint("https://user:passw0rd@10.0.0.1/private-path?tok3n=1"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Deliver(t.Context(), ep, call())
			e := sendError(t, err)
			for _, leak := range leaks {
				if strings.Contains(e.Error(), leak) {
					t.Errorf("%q holds %q", e.Error(), leak)
				}
			}
		})
	}
}

func TestDeliverRefusesWhatCannotBeSigned(t *testing.T) {
	c := newClient(t, webhooks.Config{AllowPrivate: loopback()})
	ok := call()
	for name, tt := range map[string]struct {
		ep   chatbell.Endpoint
		call webhooks.Call
		want chatbell.Reason
	}{
		"no secret":      {chatbell.Endpoint{URL: "http://127.0.0.1:1"}, ok, chatbell.Auth},
		"id with a dot":  {endpoint("http://127.0.0.1:1"), webhooks.Call{ID: "a.b", Body: ok.Body}, chatbell.Other},
		"no id":          {endpoint("http://127.0.0.1:1"), webhooks.Call{Body: ok.Body}, chatbell.Other},
		"no body":        {endpoint("http://127.0.0.1:1"), webhooks.Call{ID: "a"}, chatbell.Other},
		"no host":        {endpoint("https:///hook"), ok, chatbell.Other},
		"another scheme": {endpoint("ftp://127.0.0.1"), ok, chatbell.Other},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Deliver(t.Context(), tt.ep, tt.call)
			if e := sendError(t, err); e.Reason != tt.want || e.Retry {
				t.Errorf("got %+v, want %s without a retry", e, tt.want)
			}
		})
	}
}

func TestDeliverLeavesOutABadTraceParent(t *testing.T) {
	s, got := receiver(t, httptest.NewServer)
	c := newClient(t, webhooks.Config{AllowPrivate: loopback()})
	for _, bad := range []string{"", "x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n", strings.Repeat("-", 55)} {
		in := call()
		in.TraceParent = bad
		if _, err := c.Deliver(t.Context(), endpoint(s.URL), in); err != nil {
			t.Fatal(err)
		}
		if h := (<-got).header["Traceparent"]; h != nil {
			t.Errorf("%q was sent as %q", bad, h)
		}
	}
}

func TestDeliverAtOnce(t *testing.T) {
	s, _ := receiver(t, func(http.Handler) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	})
	c := newClient(t, webhooks.Config{AllowPrivate: loopback()})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				if _, err := c.Deliver(t.Context(), endpoint(s.URL), call()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
