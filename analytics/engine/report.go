package engine

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
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
	// stateNote is something for the parent's log.
	stateNote state = "note"
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

	Strangers *Strangers `json:",omitempty"` // beat

	Note  string            `json:",omitempty"`
	About map[string]string `json:",omitempty"` // the note's attributes
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

	strangers atomic.Pointer[func() Strangers] // what beats tell, once there is a port
}

// Strangers counts what was kept away from the engine's port.
type Strangers struct {
	// Cut are the connections that were closed to let others in, Refused those that were
	// closed at once because all others were at work.
	Cut, Refused uint64
	// WrongPasswords are the requests with one.
	WrongPasswords uint64
}

func (s Strangers) plus(more Strangers) Strangers {
	return Strangers{
		Cut:            s.Cut + more.Cut,
		Refused:        s.Refused + more.Refused,
		WrongPasswords: s.WrongPasswords + more.WrongPasswords,
	}
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
	var fail *failure
	if errors.As(err, &fail) {
		rep.Mend = fail.mend
		rep.Mistake = fail.mistake
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
		beat := report{State: stateBeat}
		if count := r.strangers.Load(); count != nil {
			now := (*count)()
			beat.Strangers = &now
		}
		r.report(beat)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// log is a log whose warnings the parent writes into its own.
func (r *reporter) log() *slog.Logger { return slog.New(&notes{to: r}) }

// notes is the handler of such a log.
type notes struct {
	to    *reporter
	attrs []slog.Attr
}

// Enabled leaves out what is for the developers of the child.
func (*notes) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle hands a line to the parent.
func (n *notes) Handle(_ context.Context, line slog.Record) error {
	about := map[string]string{}
	add := func(a slog.Attr) bool {
		about[a.Key] = a.Value.Resolve().String()
		return true
	}
	for _, a := range n.attrs {
		add(a)
	}
	line.Attrs(add)
	n.to.report(report{State: stateNote, Note: line.Message, About: about})
	return nil
}

// WithAttrs adds attributes to each line.
func (n *notes) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &notes{to: n.to, attrs: slices.Concat(n.attrs, attrs)}
}

// WithGroup is not needed: nothing in the child has names that meet.
func (n *notes) WithGroup(string) slog.Handler { return n }
