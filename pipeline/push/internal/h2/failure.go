package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"chatbell"
	"chatbell/internal/neterror"
)

// NotSentError says that nothing of a request reached the other side.
type NotSentError struct{ Err error }

// Error tells the cause.
func (e *NotSentError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *NotSentError) Unwrap() error { return e.Err }

// Failure turns the error of a request that got no answer into what push.Notifier
// promises. The caller is the context of whoever wanted to send: if that one was
// cancelled, nothing is decided. Any other end of time is a timeout.
//
// The text names neither the URL, which holds the token, nor what the other side
// wrote when it hung up.
func Failure(caller context.Context, what string, err error) error {
	if errors.Is(caller.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, context.Canceled)
	}
	var notSent *NotSentError
	failure := &chatbell.SendError{
		Reason:         chatbell.Unavailable,
		Retry:          true,
		FateUnknown:    !errors.As(err, &notSent),
		ProviderReason: neterror.Word(err),
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		failure.Reason = chatbell.Timeout
		failure.Err = fmt.Errorf("%s: no answer in time: %w", what, context.DeadlineExceeded)
	case errors.As(err, &timeout) && timeout.Timeout():
		failure.Reason = chatbell.Timeout
		failure.Err = fmt.Errorf("%s: %s", what, plain(err))
	default:
		failure.Err = fmt.Errorf("%s: %s", what, plain(err))
	}
	return failure
}

// streamError has the fields of HTTP/2's error for one stream. net/http keeps its own
// type to itself, but lets errors.As copy it into any struct of the same form.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error makes streamError an error, as errors.As wants it.
func (streamError) Error() string { return "stream error" }

const refusedStream = 7 // RFC 9113 §7

// unprocessed reports whether the server has said that it did not look at the
// request, so that sending it again sends it once. net/http does not export the
// values, only their texts; where a text changes, the fate counts as unknown, which
// is the safe side.
func unprocessed(err error) bool {
	var failure streamError
	if errors.As(err, &failure) {
		return failure.Code == refusedStream
	}
	return unusable(err)
}

// unusable reports whether the connection takes no more requests, and has not taken
// this one.
func unusable(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return strings.HasSuffix(text, "http2: client conn not usable") ||
		strings.HasSuffix(text, "received Server's graceful shutdown GOAWAY")
}

// plain tells an error without what the other side may have put into it: before a
// request was sent that cannot be a token, afterwards only known words are kept.
func plain(err error) string {
	var notSent *NotSentError
	var failure streamError
	var errno syscall.Errno
	switch {
	case errors.As(err, &failure):
		return fmt.Sprintf("stream reset with HTTP/2 error code %d", failure.Code)
	case errors.As(err, &notSent):
		return notSent.Err.Error()
	case errors.As(err, &errno):
		return "connection broken: " + errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed by the server before its answer"
	case strings.Contains(err.Error(), "server sent GOAWAY"):
		return "connection closed by the server (GOAWAY)"
	case strings.Contains(err.Error(), "client connection lost"):
		return "connection lost: no answer to a ping"
	}
	return "connection broken"
}

// Word keeps a provider's own word only if it is one: letters and underscores, and
// nothing of the token. A server must not be able to put a token or a text into our
// records by answering with it.
func Word(text, token string) string {
	if text == "" {
		return ""
	}
	for _, char := range text {
		if (char < 'A' || char > 'Z') && (char < 'a' || char > 'z') && char != '_' {
			return "unrecognised"
		}
	}
	if len(text) > 64 || token != "" && strings.Contains(text, token) {
		return "unrecognised"
	}
	return text
}
