package deliver

import (
	"context"
	"errors"
	"time"

	"chatbell"
	"chatbell/internal/backoff"
	"chatbell/pipeline/push"
	"chatbell/pipeline/work"
)

// try is what came of one attempt.
type try struct {
	work.Try
	handBack bool // the process is stopping; nothing was decided
	skipped  bool // the destination hangs; it was not tried
}

// answer is what the try tells of its destination. What is handed back, or refused before
// it was sent, tells nothing against it. That a push service wants fewer pushes may be
// about one phone; an endpoint that wants fewer calls means all of them.
func (t *try) answer(call bool) answer {
	switch {
	case t.skipped, t.handBack:
		return answer{kind: nothingKnown}
	case t.Err == nil:
		return answer{kind: able, word: tokenTaken}
	case t.refusesToken() && !call:
		return answer{kind: able, word: tokenRefused}
	case !t.Err.Retry:
		return answer{kind: able}
	case t.Err.Reason == chatbell.RateLimited && call:
		return answer{kind: limited, after: t.Err.RetryAfter}
	case t.Err.Reason == chatbell.RateLimited:
		return answer{kind: able}
	case t.Err.Status != 0:
		return answer{kind: unable}
	}
	return answer{kind: noAnswer}
}

// refusesToken reports whether the provider has refused the token: not where it was seen
// before sending that it cannot be one.
func (t *try) refusesToken() bool { return t.Err != nil && t.Err.Status != 0 && aboutToken(t.Err) }

func aboutToken(err *chatbell.SendError) bool {
	return err.Reason == chatbell.Unregistered || err.Reason == chatbell.InvalidToken
}

// newTry reads a sender's answer. A cancelled context decides nothing: the work is
// handed back instead of being recorded as a failure.
func newTry(ctx context.Context, at time.Time, took time.Duration, r push.Receipt, err error) try {
	t := try{Try: work.Try{At: at, Took: took, Receipt: r}}
	var sendErr *chatbell.SendError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		t.handBack = true
	case errors.As(err, &sendErr):
		t.Err = sendErr
	default:
		t.Err = &chatbell.SendError{Reason: chatbell.Other, Err: err}
	}
	return t
}

// outcome is how the try ended, for itself.
func (t *try) outcome() chatbell.Outcome {
	switch {
	case t.handBack:
		return chatbell.Cancelled
	case t.Err != nil:
		return chatbell.Failed
	}
	return chatbell.Accepted
}

// reason is why the try was not accepted; empty if it was.
func (t *try) reason() chatbell.Reason {
	switch {
	case t.handBack:
		return chatbell.CancelledReason
	case t.Err != nil:
		return t.Err.Reason
	}
	return ""
}

// verdict is what follows from a try: a final row, or another try at a time.
type verdict struct {
	outcome chatbell.Outcome // empty: try again
	reason  chatbell.Reason
	retryAt time.Time
}

// judgePush decides about a push after its n-th try (n from 1). Pure but for the
// jitter. The expiry of the event bounds the tries, not their number.
func (r *Retry) judgePush(n uint32, expires time.Time, t *try) verdict {
	if t.Err == nil {
		return verdict{outcome: chatbell.Accepted}
	}
	if !t.Err.Retry {
		return verdict{outcome: chatbell.Failed, reason: t.Err.Reason}
	}
	wait := max(backoff.FullJitter(r.PushInitial, r.PushMax, int(n)), t.Err.RetryAfter)
	when := t.At.Add(t.Took).Add(wait)
	if when.After(expires) {
		return verdict{outcome: chatbell.Expired, reason: chatbell.ExpiredReason}
	}
	return verdict{retryAt: when}
}

// holdWait is when a push is due whose token was refused while so many are that the fault
// is taken to be the credential's: it is tried before that where the credential is mended.
const holdWait = 10 * time.Minute

// judgeHeld decides about such a push.
func judgeHeld(expires time.Time, t *try) verdict {
	when := t.At.Add(t.Took).Add(holdWait)
	if when.After(expires) {
		return verdict{outcome: chatbell.Expired, reason: chatbell.ExpiredReason}
	}
	return verdict{retryAt: when}
}

// judgeHook decides about a webhook call after its n-th try (n from 1).
func (r *Retry) judgeHook(n uint32, t *try) verdict {
	if t.Err == nil {
		return verdict{outcome: chatbell.Accepted}
	}
	if !t.Err.Retry || int(n) > len(r.Webhooks) {
		return verdict{outcome: chatbell.Failed, reason: t.Err.Reason}
	}
	wait := backoff.Around(r.Webhooks[n-1], 0.1)
	return verdict{retryAt: t.At.Add(t.Took).Add(max(wait, t.Err.RetryAfter))}
}
