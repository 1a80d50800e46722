// Package apns sends notifications to Apple devices over the Apple Push Notification
// service, or over anything that speaks its protocol.
//
// A [Notifier] serves one app with one signing key. The payload is encoded once for
// each language; a send adds the token and the headers. Connections and the requests
// on them are bounded, and nothing is retried here: every answer that Apple
// documents becomes one chatbell.SendError that says whether another try can help.
//
// A Notifier is safe for concurrent use, and any number of them can live in one
// process without sharing anything.
package apns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sideshow/apns2"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/internal/h2"
)

// The endpoints that have a name.
const (
	Production = "production"
	Sandbox    = "sandbox"
)

// Config is one app's credential.
type Config struct {
	// BundleID is the app: the topic of every notification.
	BundleID string
	// Endpoint is production (the default), sandbox, or the https URL of another server.
	// In production, targets that say so go to Apple's sandbox; another server gets all.
	Endpoint string
	// KeyPEM is the signing key as Apple hands it out (.p8), KeyID and TeamID its names.
	KeyPEM        []byte
	KeyID, TeamID string
	// RootCAs are trusted instead of the system's; nil means the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one send; 0 means 10 s. Apple answers within milliseconds.
	Timeout time.Duration
	// Connections bounds the connections to one host; 0 means 4.
	Connections int
}

const (
	defaultTimeout = 10 * time.Second
	// Four connections of 250 requests are the thousand that Apple allows on one, and
	// more than two cores can keep busy.
	defaultConnections = 4
	// streams is what a server in Go allows on a connection. Apple announces 1,000; a
	// server that announces less is obeyed.
	streams = 250
)

// Notifier sends with one credential. It implements push.Notifier.
type Notifier struct {
	topic   string
	timeout time.Duration
	keys    *signer
	hosts   []*host
	sandbox *host // where targets of the sandbox go; may be the same as hosts[0]
}

// host is one server with the connections to it.
type host struct {
	pool   *h2.Pool
	client *apns2.Client
}

// New checks the configuration and makes a Notifier. It connects at the first send.
// The owner has to call Close.
func New(cfg Config) (*Notifier, error) {
	if cfg.BundleID == "" {
		return nil, errors.New("apns: the bundle id is missing")
	}
	keys, err := newSigner(cfg.KeyPEM, cfg.KeyID, cfg.TeamID)
	if err != nil {
		return nil, fmt.Errorf("apns: app %s: %w", cfg.BundleID, err)
	}
	notifier := &Notifier{topic: cfg.BundleID, keys: keys, timeout: cfg.Timeout}
	if notifier.timeout <= 0 {
		notifier.timeout = defaultTimeout
	}
	urls, err := endpoints(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("apns: app %s: %w", cfg.BundleID, err)
	}
	for _, address := range urls {
		notifier.hosts = append(notifier.hosts, newHost(address, &cfg))
	}
	notifier.sandbox = notifier.hosts[len(notifier.hosts)-1]
	return notifier, nil
}

// endpoints are the hosts of an endpoint: the usual one and, last, the one for
// targets of the sandbox.
func endpoints(endpoint string) ([]*url.URL, error) {
	var names []string
	switch endpoint {
	case "", Production:
		names = []string{apns2.HostProduction, apns2.HostDevelopment}
	case Sandbox:
		names = []string{apns2.HostDevelopment}
	default:
		names = []string{endpoint}
	}
	urls := make([]*url.URL, len(names))
	for i, name := range names {
		address, err := h2.ParseEndpoint(name, "https")
		if err != nil {
			return nil, fmt.Errorf("%w; %s and %s are Apple's own", err, Production, Sandbox)
		}
		urls[i] = address
	}
	return urls, nil
}

func newHost(address *url.URL, cfg *Config) *host {
	conns := cfg.Connections
	if conns <= 0 {
		conns = defaultConnections
	}
	pool := h2.NewPool(h2.Config{
		URL: address, Conns: conns, Streams: streams,
		TLS: &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
	})
	return &host{pool: pool, client: &apns2.Client{
		Host: address.String(),
		HTTPClient: &http.Client{
			Transport: transport{pool},
			// A push service does not redirect, and a token must not follow a stranger.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}}
}

// Close ends the connections. Sends that are under way fail.
func (n *Notifier) Close() error {
	var errs []error
	for _, one := range n.hosts {
		errs = append(errs, one.pool.Close())
	}
	return errors.Join(errs...)
}

// Streams is how many sends it can usefully have under way.
func (n *Notifier) Streams() int { return n.hosts[0].pool.Streams() }

// maxToken bounds a device token. Apple's have 64 characters and may grow.
const maxToken = 1024

// Send makes one try. See push.Notifier.
func (n *Notifier) Send(ctx context.Context, p push.Payload, t push.Target) (push.Receipt, error) {
	msg, ok := p.(*payload)
	if !ok {
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.Other, Err: errors.New("apns: the payload was prepared by another provider")}
	}
	if t.Token == "" || len(t.Token) > maxToken || strings.Trim(t.Token, ".") == "" {
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.InvalidToken, Err: errors.New("apns: this cannot be a device token")}
	}
	one := n.hosts[0]
	if t.Sandbox {
		one = n.sandbox
	}
	try := &try{body: msg.body, once: msg.once}
	var err error
	if try.bearer, err = n.keys.bearer(time.Now()); err != nil {
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.Auth, Err: err}
	}
	note := msg.header    // a copy: the token is this send's own
	if note.Topic == "" { // raw content may name another, such as the app's for VoIP
		note.Topic = n.topic
	}
	note.DeviceToken = url.PathEscape(t.Token)
	bounded, cancel := context.WithTimeout(context.WithValue(ctx, tryKey{}, try), n.timeout)
	defer cancel()
	resp, err := one.client.PushWithContext(bounded, &note)
	switch {
	case err != nil && try.status == 0:
		return push.Receipt{}, h2.Failure(ctx, "apns push", err)
	case err != nil: // an answer, but not in Apple's words
		resp = &apns2.Response{StatusCode: try.status}
		if try.status == http.StatusOK {
			resp.Reason = "unrecognised"
		}
	}
	if resp.Sent() && resp.Reason == "" {
		return push.Receipt{ProviderID: resp.ApnsID, Status: resp.StatusCode}, nil
	}
	return push.Receipt{}, n.refused(resp, try, t.Token)
}
