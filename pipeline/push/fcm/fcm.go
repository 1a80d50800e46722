// Package fcm sends notifications over Firebase Cloud Messaging (HTTP v1), or over
// anything that speaks its protocol.
//
// A [Notifier] serves one app with one service account. It uses Google's client
// library, with three of the library's habits replaced: connections and the requests
// on them are bounded; a send is one request (the library repeats broken ones up to
// four times, which can show a notification twice, and waits for seconds meanwhile);
// and an access token is fetched once for everybody who waits for it, never by each.
//
// A Notifier is safe for concurrent use, and any number of them can live in one
// process without sharing anything.
package fcm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"google.golang.org/api/option"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/internal/h2"
)

// Config is one app's credential.
type Config struct {
	// App is the app's name in errors and in the devices that use it.
	App string
	// CredentialsJSON is the service account's key file. Its project_id is the project
	// and its token_uri is where access tokens come from.
	CredentialsJSON []byte
	// Endpoint is scheme and host in place of Google's, without /v1; empty means
	// Google's. A server that speaks only HTTP/1.1 is used too, but slower.
	Endpoint string
	// RootCAs are trusted instead of the system's, for both hosts; nil means the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one send; 0 means 10 s. Google answers within some 100 ms.
	Timeout time.Duration
	// Connections bounds the connections to the endpoint; 0 means 8.
	Connections int
}

const (
	googleEndpoint = "https://fcm.googleapis.com"
	defaultTimeout = 10 * time.Second
	// streams is what Google's front ends allow on a connection.
	streams = 100
	// Eight connections at 100 ms an answer are 8,000 pushes a second; Google's usual
	// quota is 10,000.
	defaultConnections = 8
)

// Notifier sends with one credential. It implements push.Notifier.
type Notifier struct {
	timeout time.Duration
	pool    *h2.Pool
	tokens  *tokens
	client  *messaging.Client
}

// New checks the configuration and makes a Notifier. It connects at the first send.
// The owner has to call Close.
func New(c Config) (*Notifier, error) {
	notifier, err := newNotifier(c)
	if err != nil {
		return nil, fmt.Errorf("fcm: app %s: %w", c.App, err)
	}
	return notifier, nil
}

func newNotifier(cfg Config) (*Notifier, error) {
	if cfg.Endpoint == "" {
		cfg.Endpoint = googleEndpoint
	}
	address, err := h2.ParseEndpoint(cfg.Endpoint, "https", "http")
	if err != nil {
		return nil, err
	}
	account, err := parseAccount(cfg.CredentialsJSON)
	if err != nil {
		return nil, err
	}
	notifier := &Notifier{timeout: cfg.Timeout}
	if notifier.timeout <= 0 {
		notifier.timeout = defaultTimeout
	}
	conns := cfg.Connections
	if conns <= 0 {
		conns = defaultConnections
	}
	trust := &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	notifier.pool = h2.NewPool(h2.Config{
		URL:     address,
		TLS:     trust,
		Conns:   conns,
		Streams: streams,
		HTTP1:   true,
	})
	notifier.tokens = newTokens(account, trust)
	if notifier.client, err = notifier.library(account.project, address); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the client library: %w", err), notifier.Close())
	}
	return notifier, nil
}

// library is Google's client, on our connections. It makes no request here.
func (n *Notifier) library(project string, u *url.URL) (*messaging.Client, error) {
	client := &http.Client{Transport: transport{n.pool, n.tokens}} // which shows it no redirect to follow
	// The context is not kept: nothing is dialled for an HTTP client that is given.
	ctx := context.Background()
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: project},
		option.WithHTTPClient(client), option.WithEndpoint(u.String()+"/v1"))
	if err != nil {
		return nil, err
	}
	return app.Messaging(ctx)
}

// Close ends the connections and waits for a token that is being fetched. Sends that
// are under way fail.
func (n *Notifier) Close() error {
	err := n.pool.Close()
	n.tokens.close()
	return err
}

// Streams is how many sends it can usefully have under way.
func (n *Notifier) Streams() int { return n.pool.Streams() }

// maxToken bounds a registration token. Google's have some 160 characters.
const maxToken = 4096

// Send makes one try. See push.Notifier.
func (n *Notifier) Send(ctx context.Context, p push.Payload, t push.Target) (push.Receipt, error) {
	msg, ok := p.(*payload)
	if !ok {
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.Other, Err: errors.New("fcm: the payload was prepared by another provider")}
	}
	if !plausible(t.Token) {
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.InvalidToken, Err: errors.New("fcm: this cannot be a registration token")}
	}
	try := &try{body: msg.bodyFor(t.Token)}
	bounded, cancel := context.WithTimeout(context.WithValue(ctx, tryKey{}, try), n.timeout)
	defer cancel()
	// The library gets the least that it takes for a message; the transport sends the
	// prepared body, and keeps the answer before the library sees it.
	name, err := n.client.Send(bounded, &messaging.Message{Token: "-"})
	switch {
	case try.err != nil:
		var failure *chatbell.SendError
		if errors.As(try.err, &failure) && ctx.Err() == nil {
			mine := *failure // no access token, for everybody who waited for it
			return push.Receipt{}, &mine
		}
		return push.Receipt{}, h2.Failure(ctx, "fcm push", try.err)
	case try.status == 0: // the library refused; it cannot with this message
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.Other, Err: errors.New("fcm: the client library sent nothing")}
	case err == nil && name != "":
		return push.Receipt{ProviderID: name, Status: try.status}, nil
	}
	return push.Receipt{}, n.refused(try, t.Token)
}

// plausible keeps out what no registration token looks like, so that it costs no
// request: tokens are printable ASCII.
func plausible(token string) bool {
	if token == "" || token == ".." || len(token) > maxToken {
		return false
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] >= 0x7f {
			return false
		}
	}
	return true
}
