package webhooks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"chatbell"
	"chatbell/internal/neterror"
	"chatbell/internal/safedial"
)

// judge reads a status as the package comment tells; nil means accepted.
func judge(status int, retryAfter string, now time.Time) error {
	if status >= 200 && status < 300 {
		return nil
	}
	e := &chatbell.SendError{
		Reason: chatbell.Rejected, Retry: true, Status: status, RetryAfter: parseRetryAfter(retryAfter, now),
	}
	switch {
	case status == http.StatusGone:
		e.Reason = chatbell.EndpointDisabled
		e.Retry = false
		e.RetryAfter = 0
	case status == http.StatusTooManyRequests:
		e.Reason = chatbell.RateLimited
	case status == http.StatusRequestTimeout:
		e.Reason = chatbell.Timeout
	case status >= 500:
		e.Reason = chatbell.Unavailable
		// A gateway that lost its backend does not know what the backend did.
		e.FateUnknown = status == http.StatusBadGateway || status == http.StatusGatewayTimeout
	}
	e.ProviderReason = statusWord(status)
	return e
}

// redirectWord is the provider_reason of an answer that points elsewhere: calls do not
// follow.
const redirectWord = "redirect"

// statusWord is the provider_reason of an answer that refuses.
func statusWord(status int) string {
	if status >= 300 && status < 400 {
		return redirectWord
	}
	return "http_" + strconv.Itoa(status)
}

// failure reads a call that got no answer. Wrote says that the request, or a part
// of it, was sent.
func (c *Client) failure(parent context.Context, err error, wrote bool) error {
	if parent.Err() != nil {
		return fmt.Errorf("call webhook: %w", parent.Err())
	}
	e := &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, FateUnknown: wrote, ProviderReason: neterror.Word(err)}
	var (
		dial   *net.OpError
		dns    *net.DNSError
		verify *tls.CertificateVerificationError
		name   x509.HostnameError
	)
	switch {
	case safedial.Blocked(err):
		e.Reason = chatbell.BlockedAddress
		e.Retry = false
		e.ProviderReason = blockedWord
		e.Err = quiet{"the address is private or special, and allow_private_networks does not name it", err}
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		e.Reason = chatbell.Timeout
		e.Err = quiet{fmt.Sprintf("no answer within %s", c.timeout), err}
	case errors.As(err, &verify) || errors.As(err, &name):
		e.Err = quiet{"the certificate is not trusted; add its authority to ca_files if it should be", err}
	case errors.As(err, &dns):
		e.Err = quiet{"the host name does not resolve", err}
	case errors.As(err, &dial) && dial.Op == "dial":
		e.Err = quiet{"could not connect", err}
	case wrote:
		e.Err = quiet{"the connection broke before the answer", err}
	default:
		e.Err = quiet{"could not talk to the endpoint", err}
	}
	return e
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// quiet keeps the cause for errors.Is and its text, which may quote what the other
// side sent, out of the error's.
type quiet struct {
	what  string
	cause error
}

func (q quiet) Error() string { return q.what }
func (q quiet) Unwrap() error { return q.cause }

// MaxRetryAfter bounds what an endpoint may ask for: the longest step of the usual
// retry schedule. A longer wish would outlive the notification.
const MaxRetryAfter = 24 * time.Hour

// parseRetryAfter reads seconds or an HTTP date (RFC 9110 §10.2.3). What is neither,
// or lies in the past, asks for nothing.
func parseRetryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	if strings.Trim(s, "0123456789") == "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n > int64(MaxRetryAfter/time.Second) { // err: more digits than fit
			return MaxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(s)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), MaxRetryAfter)
}
