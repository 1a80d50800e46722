package fcm

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"

	"chatbell"
	"chatbell/internal/backoff"
	"chatbell/pipeline/push/internal/h2"
)

// scope is the least that sending needs.
const scope = "https://www.googleapis.com/auth/firebase.messaging"

const (
	// fetchTimeout bounds one fetch of an access token; shorter than the bound of one
	// send, so that a send tells the cause.
	fetchTimeout = 8 * time.Second
	// A token is renewed in the background for this long before it ends, so that no
	// send waits for it.
	renewBefore = 5 * time.Minute
	// spare is when a token counts as ended: on its way to Google it must not end.
	spare = 30 * time.Second
	// failHold is how long a failed fetch answers for the next ones.
	failHold = time.Second
	// minAge is how old a token must be for a 401 to mean that a new one will help.
	minAge = 10 * time.Second
)

// account is what is needed of a service account.
type account struct {
	project string
	jwt     *jwt.Config
}

func parseAccount(credentials []byte) (*account, error) {
	var file struct {
		Project  string `json:"project_id"`
		TokenURI string `json:"token_uri"`
	}
	// The library's errors are not passed on: they may quote the file, which is secret.
	if err := json.Unmarshal(credentials, &file); err != nil {
		return nil, errors.New("the credentials are not JSON; use the service account's key file")
	}
	conf, err := google.JWTConfigFromJSON(credentials, scope)
	if err != nil {
		return nil, errors.New("the credentials are not those of a service account; use its key file (type service_account)")
	}
	address, err := url.Parse(conf.TokenURL)
	switch {
	case file.Project == "":
		return nil, errors.New("the credentials name no project (project_id)")
	case conf.Email == "":
		return nil, errors.New("the credentials name no service account (client_email)")
	case err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http":
		return nil, errors.New("the credentials' token_uri is not an address")
	}
	if !isRSAKey(conf.PrivateKey) {
		return nil, errors.New("the credentials' private_key cannot be read; download the key file again")
	}
	return &account{project: url.PathEscape(file.Project), jwt: conf}, nil
}

func isRSAKey(b []byte) bool {
	block, _ := pem.Decode(b)
	if block == nil {
		return false
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		_, ok := key.(*rsa.PrivateKey)
		return ok
	}
	_, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	return err == nil
}

// tokens hands out the access token. Whatever the number of sends that need one, one
// fetch is under way at a time, and a fetch that hangs holds up nobody longer than
// their own context allows. Safe for concurrent use.
type tokens struct {
	conf      *jwt.Config
	transport *http.Transport

	ctx    context.Context //nolint:containedctx // ends a fetch at close; it belongs to no send
	cancel context.CancelFunc
	wg     sync.WaitGroup // the fetch

	mu      sync.Mutex
	token   string
	fetched time.Time
	ends    time.Time
	fetch   chan struct{} // closed when the fetch under way is done; nil if there is none
	err     error         // of the last fetch
	failed  time.Time
	closed  bool
}

func newTokens(a *account, trust *tls.Config) *tokens {
	made := &tokens{conf: a.jwt, transport: &http.Transport{
		TLSClientConfig: trust, ForceAttemptHTTP2: true,
		MaxConnsPerHost: 1, IdleConnTimeout: time.Second, // one fetch an hour needs no open connection
	}}
	made.ctx, made.cancel = context.WithCancel(context.Background())
	return made
}

func (t *tokens) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.wg.Wait()
	t.transport.CloseIdleConnections()
}

// get is the access token, or why there is none: a *chatbell.SendError inside a
// *h2.NotSentError, or the end of ctx.
func (t *tokens) get(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", &h2.NotSentError{Err: err}
	}
	for waited := false; ; waited = true {
		now := time.Now()
		t.mu.Lock()
		usable := t.token != "" && now.Before(t.ends.Add(-spare))
		fresh := usable && now.Before(t.ends.Add(-renewBefore))
		held := t.err != nil && (waited || now.Sub(t.failed) < failHold)
		if !fresh && t.fetch == nil && !held && !t.closed {
			t.start()
		}
		token := t.token
		fetch := t.fetch
		err := t.err
		closed := t.closed
		t.mu.Unlock()
		switch {
		case usable:
			return token, nil
		case closed:
			return "", &h2.NotSentError{Err: errors.New("the provider was closed")}
		case fetch == nil:
			return "", &h2.NotSentError{Err: err}
		}
		select {
		case <-fetch:
		case <-ctx.Done():
			return "", &h2.NotSentError{Err: ctx.Err()}
		}
	}
}

// start begins a fetch. It holds t.mu.
func (t *tokens) start() {
	done := make(chan struct{})
	t.fetch = done
	t.wg.Go(func() {
		defer close(done)
		token, err := t.fetchOne()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.fetch = nil
		t.err = err
		if err != nil {
			t.failed = time.Now()
			return
		}
		t.token = token.AccessToken
		t.fetched = time.Now()
		t.ends = token.Expiry
		if t.ends.IsZero() {
			t.ends = t.fetched.Add(time.Hour) // what Google gives
		}
		// A token shorter than our margins is still used for what it lasts.
		t.ends = laterOf(t.ends, t.fetched.Add(spare+time.Second))
	})
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (t *tokens) fetchOne() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(t.ctx, fetchTimeout)
	defer cancel()
	client := &http.Client{
		Transport: within{ctx, t.transport},
		// The signed request must not follow a stranger.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	token, err := t.conf.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, client)).Token()
	if err != nil {
		return nil, fetchError(err)
	}
	if token.AccessToken == "" {
		return nil, &chatbell.SendError{Reason: chatbell.Auth, Err: errors.New("fcm: fetch access token: the answer holds none; check token_uri")}
	}
	return token, nil
}

// within gives requests a context: the library makes its own without one, and could
// not be stopped.
type within struct {
	ctx  context.Context //nolint:containedctx // lives as long as one fetch
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (w within) RoundTrip(req *http.Request) (*http.Response, error) {
	return w.base.RoundTrip(req.WithContext(w.ctx))
}

// fetchError says what a failed fetch means. The library's text is not kept: it
// quotes the answer.
func fetchError(err error) error {
	failure := &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true}
	var refused *oauth2.RetrieveError
	switch {
	case !errors.As(err, &refused):
		failure.Err = errors.New("fcm: fetch access token: no answer; check token_uri and the network")
	case refused.Response.StatusCode == http.StatusTooManyRequests, refused.Response.StatusCode >= 500:
		failure.RetryAfter = backoff.RetryAfter(refused.Response.Header.Get("Retry-After"), time.Now())
		failure.Err = fmt.Errorf("fcm: fetch access token: status %d", refused.Response.StatusCode)
	default:
		failure.Reason = chatbell.Auth
		failure.Retry = false
		failure.Err = fmt.Errorf("fcm: fetch access token: status %d; check the service account and the clock", refused.Response.StatusCode)
	}
	return failure
}

// refused is told that FCM did not take a token, and reports whether the next request
// will carry another. A young token that is refused means that the account may not
// send, and more tokens would not help.
func (t *tokens) refused(token string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if token != t.token {
		return true // it was renewed meanwhile
	}
	if now.Sub(t.fetched) < minAge {
		return false
	}
	t.token = ""
	return true
}
