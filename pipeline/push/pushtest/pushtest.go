// Package pushtest is what every push provider has to pass: [Run] exercises a
// push.Notifier against a simulated push service that speaks real HTTP/2 over TLS.
//
// The provider's test supplies a [Harness]: how to make a Notifier, and how its push
// service talks. The suite then checks the contract of push.Notifier: what counts as
// accepted, what every refusal means, that the fate of a try is told truly, that no
// error tells a token, a secret or a text, that a send is one request, that the
// payload fits, and that connections stay bounded under load.
package pushtest

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/pipeline/push"
)

// Notifier is what a provider's constructor returns.
type Notifier interface {
	push.Notifier
	Streams() int
	Close() error
}

// Conditions are what a Notifier is to be made with.
type Conditions struct {
	// URL is the service, Roots trusts it.
	URL   string
	Roots *x509.CertPool
	// Timeout bounds one send, Connections the connections; 0 means the default.
	Timeout     time.Duration
	Connections int
	// Second asks for a credential different from the usual one.
	Second bool
}

// Sent is a send in words that all providers share.
type Sent struct {
	Token, Title, Body, CollapseID string
	// Credential tells the credentials of two configurations apart.
	Credential string
	// Size is what the provider's limit counts, in bytes.
	Size int
}

// Refusal is an answer of the service and what it means.
type Refusal struct {
	Name   string
	Answer Answer
	// Want is compared in every field but Err.
	Want chatbell.SendError
}

// Harness is a provider and how its service talks.
type Harness struct {
	// New makes a Notifier; the suite closes it.
	New func(t *testing.T, c Conditions) Notifier
	// IsSend reports whether a request is a well-formed send; others get a 404.
	IsSend func(r *http.Request) bool
	// Read takes a send apart.
	Read func(t *testing.T, r Request) Sent
	// Token makes the i-th well-formed device token.
	Token func(i int) string
	// Accepted is the answer that accepts under this provider id.
	Accepted func(id string) Answer
	// Refusals are all refusals that the service documents.
	Refusals []Refusal
	// Secrets may stand in no error.
	Secrets []string
}

// Run checks a provider.
func Run(t *testing.T, h Harness) {
	s := &suite{h: &h}
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"accepted", s.accepted},
		{"traceparent", s.traceParent},
		{"refused in the provider's words", s.refusals},
		{"refused by status alone", s.statuses},
		{"documented refusals are complete", s.coverage},
		{"acceptance in no known words", s.strangeAcceptance},
		{"redirect is not followed", s.redirect},
		{"hang", s.hang},
		{"caller's deadline", s.deadline},
		{"broken connection", s.broken},
		{"connection refused", s.connectionRefused},
		{"untrusted server", s.untrusted},
		{"cancelled before", s.cancelledBefore},
		{"cancelled during", s.cancelledDuring},
		{"recovers after a lost connection", s.recovers},
		{"no token", s.noToken},
		{"foreign payload", s.foreign},
		{"oversized", s.oversized},
		{"cannot be made to fit", s.tooLarge},
		{"payload is shared and unchanged", s.shared},
		{"concurrent", s.concurrent},
		{"more sends than streams", s.crowded},
		{"two configurations", s.two},
		{"closed", s.closed},
	} {
		t.Run(c.name, c.run)
	}
}

type suite struct{ h *Harness }

// The texts of the suite's notification. They may stand in no error.
const (
	title = "Confidential title"
	body  = "Confidential body"
)

func note() *push.Content {
	badge := 3
	return &push.Content{
		Title: title, Body: body, CollapseID: "collapse-1", ThreadID: "general",
		Data: map[string]string{"event_id": "e1"}, ExpiresAt: time.Now().Add(time.Hour), Badge: &badge,
	}
}

// start makes a service and a Notifier for it.
func (s *suite) start(t *testing.T, change ...func(*Conditions)) (*Server, Notifier) {
	t.Helper()
	srv := NewServer(t, s.h)
	return srv, s.notifier(t, srv, change...)
}

func (s *suite) notifier(t *testing.T, srv *Server, change ...func(*Conditions)) Notifier {
	t.Helper()
	c := Conditions{URL: srv.URL(), Roots: srv.Roots()}
	for _, f := range change {
		f(&c)
	}
	n := s.h.New(t, c)
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return n
}

func prepare(t *testing.T, n push.Notifier, note *push.Content) push.Payload {
	t.Helper()
	p, err := n.Prepare(note)
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	return p
}

func (s *suite) target(i int) push.Target { return push.Target{Token: s.h.Token(i)} }

// discreet checks that an error tells nothing that it must not tell.
func (s *suite) discreet(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	for _, secret := range append([]string{title, body, s.h.Token(0)}, s.h.Secrets...) {
		if strings.Contains(text, secret) {
			t.Errorf("the error tells %q: %s", secret, text)
		}
	}
}
