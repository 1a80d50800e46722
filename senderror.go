package chatbell

import (
	"fmt"
	"time"
)

// SendError is why a push provider or a customer's endpoint did not accept a try.
// Whoever speaks the protocol fills it in and says whether another try can help;
// the pipeline says when. Its text never holds a token, a secret or content.
type SendError struct {
	Reason Reason
	// Retry says that the same try may succeed later.
	Retry bool
	// RetryAfter is what the other side asked for; 0 when it asked for nothing.
	RetryAfter time.Duration
	// FateUnknown says that the other side may have accepted: a timeout or a broken
	// connection after the request was written.
	FateUnknown bool
	// Status is the HTTP status, 0 when no answer came.
	Status int
	// ProviderReason is the provider's own word, for example "BadDeviceToken".
	ProviderReason string
	// DeadSince, for [Unregistered], is since when the provider knows that the token
	// is dead; zero when it did not say.
	DeadSince time.Time
	// Err is the cause, if there is one.
	Err error
}

// Error says what happened without naming whom it happened to.
func (e *SendError) Error() string {
	text := string(e.Reason)
	if e.Status != 0 {
		text += fmt.Sprintf(" (status %d", e.Status)
		if e.ProviderReason != "" {
			text += ", " + e.ProviderReason
		}
		text += ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause, so that errors.Is finds a cancelled context.
func (e *SendError) Unwrap() error { return e.Err }
