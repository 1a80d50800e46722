package webhooks

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"chatbell"
	"chatbell/internal/safedial"
)

// Config says what a Client may reach, and how long it waits.
type Config struct {
	// AllowPrivate are the networks that may be reached although they are private, and
	// by plain http.
	AllowPrivate []netip.Prefix
	// RootCAs are trusted for https; nil means the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one call from connecting to the end of the answer; 0 means 15 s,
	// the short end of what the Standard Webhooks specification advises.
	Timeout time.Duration
	// Version is chatbell's own, for the receivers' logs (User-Agent); empty means none.
	Version string
}

const defaultTimeout = 15 * time.Second

// Client calls webhooks. Make one with [New].
type Client struct {
	policy  *safedial.Policy
	http    *safedial.Client
	timeout time.Duration
	agent   string
}

// New makes a client. It connects to nothing yet.
func New(cfg Config) (*Client, error) {
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("webhooks: timeout %s is negative", cfg.Timeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	agent := "chatbell"
	if cfg.Version != "" {
		agent += "/" + cfg.Version
	}
	policy, err := safedial.New(cfg.AllowPrivate)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	return &Client{policy: policy, http: policy.Client(cfg.RootCAs), timeout: cfg.Timeout, agent: agent}, nil
}

// Close drops the idle connections. Calls under way end by themselves.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Call is one try of one webhook call.
type Call struct {
	// ID is the webhook-id: the same on every retry of the same body, without a dot.
	ID string
	// Attempt counts the tries from 1.
	Attempt int
	// Body is JSON. It must not change between retries.
	Body []byte
	// TraceParent is the W3C traceparent of what caused the call, or empty.
	TraceParent string
}

var (
	errCallID   = errors.New("a webhook-id is needed, without a dot or a space")
	errCallBody = errors.New("a webhook call needs a body")
)

// Deliver makes one try. The status is 0 when no answer came. The errors are told
// in the package comment; their texts hold no part of the URL but its host, no
// secret, and nothing of the answer.
func (c *Client) Deliver(ctx context.Context, ep chatbell.Endpoint, call Call) (status int, err error) {
	return c.deliver(ctx, &ep, &call, time.Now())
}

func (c *Client) deliver(parent context.Context, endpoint *chatbell.Endpoint, call *Call, now time.Time) (int, error) {
	target, err := c.policy.Parse(endpoint.URL)
	if err != nil {
		return 0, refused(err)
	}
	ctx, cancel := context.WithTimeout(parent, c.timeout)
	defer cancel()
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	req, err := c.newRequest(ctx, target, endpoint, call, now)
	if err != nil {
		return 0, refused(err)
	}
	resp, err := c.http.Do(req) //nolint:bodyclose // drain closes it
	if err != nil {
		return 0, c.failure(parent, err, wrote.Load())
	}
	defer drain(resp.Body, cancel)
	return resp.StatusCode, judge(resp.StatusCode, resp.Header.Get("Retry-After"), now)
}

// The provider_reason of calls that are not made.
const (
	blockedWord = "blocked_address" // the address is private or special
	badURLWord  = "bad_url"
	badKeyWord  = "bad_secret" // the endpoint's secret cannot sign
)

// refused is a call that was not made, because it cannot succeed as it is configured.
func refused(err error) error {
	failure := &chatbell.SendError{Reason: chatbell.Other, Err: err}
	switch {
	case errors.Is(err, safedial.ErrNotAllowed):
		failure.Reason = chatbell.BlockedAddress
		failure.ProviderReason = blockedWord
	case errors.Is(err, safedial.ErrForm), errors.Is(err, safedial.ErrScheme), errors.Is(err, safedial.ErrHost), errors.Is(err, safedial.ErrPort):
		failure.ProviderReason = badURLWord
	case errors.Is(err, errNoSecret), errors.Is(err, errSecretBase64), errors.Is(err, errSignature):
		failure.Reason = chatbell.Auth
		failure.ProviderReason = badKeyWord
	}
	return failure
}

// newRequest makes the signed request.
func (c *Client) newRequest(ctx context.Context, target *url.URL, endpoint *chatbell.Endpoint, call *Call, now time.Time) (*http.Request, error) {
	if call.ID == "" || strings.ContainsAny(call.ID, ". ") {
		return nil, errCallID
	}
	if len(call.Body) == 0 {
		return nil, errCallBody
	}
	signer, err := NewSigner(endpoint.Signatures, endpoint.Secret)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(call.Body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.URL = target
	req.Host = target.Host
	req.Header = http.Header{
		"Content-Type":     {"application/json"},
		"User-Agent":       {c.agent},
		"Chatbell-Attempt": {strconv.Itoa(max(call.Attempt, 1))},
	}
	if chatbell.IsTraceParent(call.TraceParent) {
		req.Header["Traceparent"] = []string{call.TraceParent}
	}
	if err := signer.Sign(req.Header, call.ID, now, call.Body); err != nil {
		return nil, err
	}
	return req, nil
}

const (
	// maxAnswer bounds what is read of an answer, in bytes. Nothing in it matters but
	// that a connection whose answer was read to its end can be used again.
	maxAnswer = 64 << 10
	// maxDrain bounds the time for that: a receiver that drips its answer holds no slot.
	maxDrain = time.Second
)

func drain(body io.ReadCloser, cancel context.CancelFunc) {
	stop := time.AfterFunc(maxDrain, cancel)
	defer stop.Stop()
	_, _ = io.CopyN(io.Discard, body, maxAnswer) // the status has decided already
	_ = body.Close()
}
