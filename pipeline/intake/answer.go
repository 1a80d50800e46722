package intake

import (
	"context"
	"errors"
	"time"

	"chatbell/pipeline/jetstream"
)

// Status is what became of one request. The list is closed.
type Status int

// The statuses.
const (
	// Accepted: it is durable now.
	Accepted Status = iota
	// Duplicate: it was durable already.
	Duplicate
	// Unknown: the broker failed midway. Sending the request again is safe.
	Unknown
)

// Cause is why a whole call was not taken. The list is closed.
type Cause int

// The causes. Nothing was stored, except after Unavailable, when nobody knows; sending
// the same again is safe in every case.
const (
	// Overloaded: too much waits to be worked off, or to be recorded.
	Overloaded Cause = iota
	// DiskFull: there is no room on the disk, however little waits, but the reserve for what
	// is in hand.
	DiskFull
	// OverLimit: the network has reached a limit of its own; no other is affected.
	OverLimit
	// Unavailable: the broker does not answer, has no leader, or cannot write.
	Unavailable
	// Stopping: this process takes nothing more.
	Stopping
)

// Error is a call of which nothing was accepted.
type Error struct {
	Cause Cause
	// RetryAfter is when to come again.
	RetryAfter time.Duration
	// Detail says to the network's own callers which limit it has reached; empty for the
	// other causes.
	Detail string
	// Err is for the log: it may name parts of the installation.
	Err error
}

// Error says what happened, for the log.
func (e *Error) Error() string { return causeWords[e.Cause] + ": " + e.Err.Error() }

// Unwrap gives what is behind it.
func (e *Error) Unwrap() error { return e.Err }

var causeWords = [...]string{
	Overloaded:  "backlog is full",
	DiskFull:    "disk is full",
	OverLimit:   "network is over a limit of its own",
	Unavailable: "broker is unavailable",
	Stopping:    "server is stopping",
}

// retryAfter is what callers are asked to wait: a burst of a few seconds is over by then,
// and so is the election of a new leader.
const retryAfter = 5 * time.Second

func refusal(cause Cause, err error) *Error {
	return &Error{Cause: cause, RetryAfter: retryAfter, Err: err}
}

// refused says in the package's words why the broker did not take a request. A caller
// who left is none of our errors.
func refused(err error) error {
	var known *Error
	switch {
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, jetstream.ErrNoSpace):
		return refusal(DiskFull, err)
	case errors.Is(err, jetstream.ErrFull):
		return refusal(Overloaded, err)
	}
	return refusal(Unavailable, err)
}
