package deliver

import "time"

// Retry says when what failed is tried again.
type Retry struct {
	// PushInitial and PushMax bound the exponential wait between tries of a push, each
	// drawn with full jitter.
	PushInitial, PushMax time.Duration
	// PushExpire is how long after its acceptance an event is worth a push.
	PushExpire time.Duration
	// Webhooks are the waits after the first, second, … failed call.
	Webhooks []time.Duration
}

// DefaultRetry is the schedule when the configuration is silent.
func DefaultRetry() Retry {
	return Retry{
		PushInitial: time.Second, PushMax: 5 * time.Minute, PushExpire: 24 * time.Hour,
		Webhooks: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		},
	}
}

// hookAge is how old a webhook call may get: as long as all waits of the schedule take,
// with their jitter, and some more. Behind a breaker that is open calls are not tried, so
// that their number alone would not end them.
func (r *Retry) hookAge() time.Duration {
	sum := time.Hour
	for _, wait := range r.Webhooks {
		sum += wait + wait/10
	}
	return sum
}
