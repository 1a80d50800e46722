package deliver

import (
	"time"

	"chatbell"
	"chatbell/internal/backoff"
	"chatbell/pipeline/work"
)

const (
	// refusedAnswers is how many answers about tokens it takes to judge a credential by:
	// fewer dead tokens are everyday life. So many devices, less one, may be removed or
	// disabled before a mistake in the configuration is noticed.
	refusedAnswers = 100
	// refusedShare is the share of refused tokens, of all answers, above which the fault is
	// taken to be the credential's, or its environment's, and not the tokens'.
	refusedShare = 0.2
	// refusedSpan is over how long answers are counted. Of a network that sends less than
	// refusedAnswers in it, and has too many refused, they are counted for refusedMost: a
	// mistake must not remove all devices slowly.
	refusedSpan = time.Minute
	refusedMost = time.Hour
)

// refusals is the circuit breaker of one credential on refused tokens: a wrong bundle id,
// endpoint or Firebase project looks like a million dead tokens. Closed, what the provider
// says of a token is done: its device is removed or disabled. Open, nothing is done to
// devices, the work waits, and probes find out whether any token is accepted. After that
// the work goes on, and devices are spared until the share of refused tokens is usual
// again. The queue's lock guards it.
type refusals struct {
	holding bool
	since   time.Time // of holding
	probed  int       // probes in a row that were refused
	probeAt time.Time // when the next may begin
	inRow   int       // tokens refused since the last was accepted
	windows [2]tokens // of production and of the sandbox
}

// tokens counts what a provider says of the tokens of one environment.
type tokens struct {
	since    time.Time
	answers  int
	refused  int
	sparing  bool // too many were refused: nothing is done to devices
	disabled []disabled
}

// disabled is a device that was disabled for its token since the window began.
type disabled struct {
	device chatbell.DeviceID
	token  string
}

// tokenWord is what an answer says of a token.
type tokenWord int

const (
	noWord tokenWord = iota
	tokenTaken
	tokenRefused
)

// environment is the index of a token's environment.
func environment(sandbox bool) int {
	if sandbox {
		return 1
	}
	return 0
}

// skips reports whether a try is to be skipped, because tokens are refused and no probe is
// due; trying is how many are under way.
func (r *refusals) skips(trying int, now time.Time) bool {
	return r.holding && (trying >= probes || now.Before(r.probeAt))
}

// probing counts a try that begins while the breaker is open.
func (r *refusals) probing(now time.Time) {
	if r.holding {
		r.probed++
		r.probeAt = now.Add(backoff.Exponential(probeFirst, probeMax, r.probed))
	}
}

// change is what an answer has changed.
type change int

const (
	nothingChanged change = iota
	// refusesMany: the breaker has opened.
	refusesMany
	// takesAgain: the breaker has closed.
	takesAgain
)

// heard takes what an answer says of a token.
func (r *refusals) heard(word tokenWord, sandbox bool, now time.Time) change {
	if word == noWord {
		return nothingChanged
	}
	w := &r.windows[environment(sandbox)]
	w.count(word, now)
	if word == tokenTaken {
		r.inRow = 0
		if !r.holding {
			return nothingChanged
		}
		r.holding = false
		r.probed = 0
		return takesAgain
	}
	r.inRow++
	switch {
	case r.holding:
		return nothingChanged
	case w.sparing && r.inRow < refusedAnswers: // it takes some
		return nothingChanged
	case !w.sparing && !w.tooMany():
		return nothingChanged
	}
	w.sparing = true
	r.holding = true
	r.since = now
	r.probed = 0
	r.probeAt = now.Add(probeFirst)
	return refusesMany
}

// count adds an answer; where the window is over, a new one begins.
func (w *tokens) count(word tokenWord, now time.Time) {
	age := now.Sub(w.since)
	few := w.answers < refusedAnswers && w.high()
	if age > refusedSpan && !few || age > refusedMost {
		w.sparing = w.sparing && (w.high() || w.answers == 0)
		w.since = now
		w.answers = 0
		w.refused = 0
		w.disabled = nil
	}
	w.answers++
	if word == tokenRefused {
		w.refused++
	}
}

// high reports whether more are refused than is usual.
func (w *tokens) high() bool { return float64(w.refused) > refusedShare*float64(w.answers) }

func (w *tokens) tooMany() bool { return w.answers >= refusedAnswers && w.high() }

// tokenPolicy is what is done about a refused token.
type tokenPolicy int

const (
	// applyRefusal: the device is removed, or disabled.
	applyRefusal tokenPolicy = iota
	// spareDevice: the device stays as it is.
	spareDevice
	// holdPush: besides, the push waits.
	holdPush
)

func (r *refusals) policy(sandbox bool) tokenPolicy {
	switch {
	case r.holding:
		return holdPush
	case r.windows[environment(sandbox)].sparing:
		return spareDevice
	}
	return applyRefusal
}

// sparing reports whether devices of any environment are spared.
func (r *refusals) sparing() bool { return r.windows[0].sparing || r.windows[1].sparing }

// noteDisabled notes that a device is about to be disabled, so that it can be taken back,
// or reports false where that is not to be done any more.
func (r *refusals) noteDisabled(sandbox bool, d disabled) bool {
	if r.policy(sandbox) != applyRefusal {
		return false
	}
	w := &r.windows[environment(sandbox)]
	w.disabled = append(w.disabled, d)
	return true
}

// takeDisabled are the devices that were disabled before it was noticed that the tokens
// are not at fault. It returns each once.
func (r *refusals) takeDisabled(sandbox bool) []disabled {
	w := &r.windows[environment(sandbox)]
	all := w.disabled
	if r.policy(sandbox) == applyRefusal {
		return nil
	}
	w.disabled = nil
	return all
}

// heardOfToken takes what a try says of its token, and tells the operator where that opens
// or closes the breaker. The queue's lock is held.
func (q *queue) heardOfToken(how answer, now time.Time) {
	if q.to.Endpoint != "" {
		return
	}
	w := &q.refused.windows[environment(how.sandbox)]
	switch q.refused.heard(how.word, how.sandbox, now) {
	case refusesMany:
		q.log.Error("many push tokens are refused: nothing is done to devices, and pushes wait until one is accepted. Compare the app's bundle id and endpoint (production or sandbox), or its Firebase project, with the credential's; then restart",
			"network", q.to.Network, "provider", q.to.Provider, "app", q.to.App, "sandbox", how.sandbox, "refused", w.refused, "answers", w.answers)
	case takesAgain:
		q.log.Info("a push token is accepted: pushes go on; nothing is done to devices until fewer tokens are refused",
			"network", q.to.Network, "provider", q.to.Provider, "app", q.to.App, "held", now.Sub(q.refused.since).Round(time.Second))
		q.drainAll()
	case nothingChanged:
	}
}

// tokenPolicy is what is done now about a refused token.
func (q *queue) tokenPolicy(sandbox bool) tokenPolicy {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refused.policy(sandbox)
}

// noteDisabled notes that a target's device is about to be disabled; false says that it
// must not be.
func (q *queue) noteDisabled(t *work.Target) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refused.noteDisabled(t.Sandbox, disabled{t.Device, t.Token})
}

// takeDisabled takes the devices that are to be enabled again.
func (q *queue) takeDisabled(sandbox bool) []disabled {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refused.takeDisabled(sandbox)
}

// putDisabled takes that back.
func (q *queue) putDisabled(sandbox bool, all []disabled) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := &q.refused.windows[environment(sandbox)]
	w.disabled = append(w.disabled, all...)
}
