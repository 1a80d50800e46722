package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// state says what a report is about.
type state string

// The states of a child, in their order.
const (
	// stateBeat is the heartbeat, from the first moment on.
	stateBeat state = "beat"
	// stateWaits says what the child waits for.
	stateWaits state = "waits"
	// stateBound says that nothing is wrong with the configuration.
	stateBound state = "bound"
	// stateAnswers says that the data is open.
	stateAnswers state = "answers"
	// stateFailed is a child's last word.
	stateFailed state = "failed"
)

// report is one line of JSON from the child to the parent.
type report struct {
	State   state
	Addr    string `json:",omitempty"` // bound
	Version string `json:",omitempty"` // answers
	Error   string `json:",omitempty"` // waits, failed
	Mend    string `json:",omitempty"` // failed: what to do
	Mistake bool   `json:",omitempty"` // failed: the next child will fail as well
}

// failure is an error with what the parent wants to know of it.
type failure struct {
	error
	mend    string
	mistake bool
}

func (f *failure) Unwrap() error { return f.error }

// reporter writes reports. A parent that is gone needs none, so that errors are not
// looked at: the end of the child's input ends it.
type reporter struct {
	mu sync.Mutex
	to *json.Encoder
}

func (r *reporter) report(rep report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.to.Encode(rep)
}

// fail reports an error, if there is one.
func (r *reporter) fail(err error) {
	if err == nil {
		return
	}
	rep := report{State: stateFailed, Error: err.Error()}
	var f *failure
	if errors.As(err, &f) {
		rep.Mend, rep.Mistake = f.mend, f.mistake
	}
	r.report(rep)
}

// beat shows that the child lives, twice as often as it is looked at. It needs nothing
// of the engine, so that whatever the engine works on, a beat is as late as the
// machine's scheduler makes it and no later.
func (r *reporter) beat(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(max(interval/2, time.Millisecond))
	defer tick.Stop()
	for {
		r.report(report{State: stateBeat})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
