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
	"time"

	"chatbell"
	"chatbell/internal/backoff"
	"chatbell/internal/neterror"
	"chatbell/internal/safedial"
)

// judge reads a status as the package comment tells; nil means accepted.
func judge(status int, retryAfter string, now time.Time) error {
	if status >= 200 && status < 300 {
		return nil
	}
	failure := &chatbell.SendError{
		Reason: chatbell.Rejected, Retry: true, Status: status, RetryAfter: backoff.RetryAfter(retryAfter, now),
	}
	switch {
	case status == http.StatusGone:
		failure.Reason = chatbell.EndpointDisabled
		failure.Retry = false
		failure.RetryAfter = 0
	case status == http.StatusTooManyRequests:
		failure.Reason = chatbell.RateLimited
	case status == http.StatusRequestTimeout:
		failure.Reason = chatbell.Timeout
	case status >= 500:
		failure.Reason = chatbell.Unavailable
		// A gateway that lost its backend does not know what the backend did.
		failure.FateUnknown = status == http.StatusBadGateway || status == http.StatusGatewayTimeout
	}
	failure.ProviderReason = statusWord(status)
	return failure
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
	failure := &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, FateUnknown: wrote, ProviderReason: neterror.Word(err)}
	var (
		dial   *net.OpError
		dns    *net.DNSError
		verify *tls.CertificateVerificationError
		name   x509.HostnameError
	)
	switch {
	case safedial.Blocked(err):
		failure.Reason = chatbell.BlockedAddress
		failure.Retry = false
		failure.ProviderReason = blockedWord
		failure.Err = quiet{"the address is private or special, and allow_private_networks does not name it", err}
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		failure.Reason = chatbell.Timeout
		failure.Err = quiet{fmt.Sprintf("no answer within %s", c.timeout), err}
	case errors.As(err, &verify) || errors.As(err, &name):
		failure.Err = quiet{"the certificate is not trusted; add its authority to ca_files if it should be", err}
	case errors.As(err, &dns):
		failure.Err = quiet{"the host name does not resolve", err}
	case errors.As(err, &dial) && dial.Op == "dial":
		failure.Err = quiet{"could not connect", err}
	case wrote:
		failure.Err = quiet{"the connection broke before the answer", err}
	default:
		failure.Err = quiet{"could not talk to the endpoint", err}
	}
	return failure
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
