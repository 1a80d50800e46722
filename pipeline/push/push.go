// Package push is the contract between the pipeline and whoever speaks to a push
// service: [Notifier], with the words that both sides use.
//
// [Content] is prepared once for each language and sent to many targets. A
// provider says what came of a try and whether another try can help; the pipeline
// says when. A nil error means that the push service accepted the notification;
// nothing else does.
//
// Everything here is safe for concurrent use: a [Payload] is immutable, and one
// [Notifier] serves all senders of one credential. The suite in pushtest is what
// every provider has to pass.
package push

import (
	"context"

	"chatbell"
)

// Payload is prepared content in the provider's own form, shared by all
// targets of one language. It is immutable.
type Payload interface {
	// Truncated reports whether something was cut or left out to fit the limit.
	Truncated() bool
	// Size is what counts against the provider's limit, in bytes as encoded.
	Size() int
}

// Target is one device.
type Target struct {
	Token string
	// Sandbox says that the token belongs to the provider's environment for development.
	Sandbox bool
}

// Receipt is what a push service said when it accepted.
type Receipt struct {
	// ProviderID is the service's own name of the accepted notification.
	ProviderID string
	// Status is the HTTP status.
	Status int
}

// Notifier speaks to one push service with one credential. Both methods are safe
// for concurrent use.
type Notifier interface {
	// Prepare encodes content once for all its targets and makes it fit the provider's
	// limit. What cannot be made to fit is a *chatbell.SendError with the reason
	// payload_too_large; raw content that the provider cannot take is one with the reason
	// rejected. Prepare does no I/O and keeps nothing of c.
	Prepare(c *Content) (Payload, error)

	// Send makes exactly one try to hand a payload of this Notifier to one device,
	// within a bound of its own and that of ctx. Three things can happen:
	//   - the error is nil: the push service accepted;
	//   - ctx was cancelled: errors.Is(err, context.Canceled), nothing is decided;
	//   - anything else: the error is or wraps a *chatbell.SendError.
	// No error's text holds a token, a secret or what was to be shown.
	Send(ctx context.Context, p Payload, t Target) (Receipt, error)
}

type traceKey struct{}

// WithTraceParent gives the requests made under the returned context the W3C
// traceparent header s. Anything that is not a well-formed traceparent is ignored,
// so that a stranger's header cannot become one of ours.
func WithTraceParent(ctx context.Context, s string) context.Context {
	if !chatbell.IsTraceParent(s) {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, s)
}

// TraceParent is the traceparent of the context, or empty.
func TraceParent(ctx context.Context) string {
	text, _ := ctx.Value(traceKey{}).(string)
	return text
}
