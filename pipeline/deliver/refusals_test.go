package deliver

import (
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/push"
)

func refuses(reason chatbell.Reason) func(push.Target) error {
	return func(push.Target) error {
		return &chatbell.SendError{Reason: reason, Status: 400, ProviderReason: "BadDeviceToken"}
	}
}

// devices are how many devices of n0 are there, and how many of them are disabled.
func (w *world) devices() (all, disabled int) {
	w.t.Helper()
	list, err := w.store.Devices(w.t.Context(), "n0", store.DeviceFilter{Limit: 10_000})
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range list {
		if list[i].Disabled != "" {
			disabled++
		}
	}
	return len(list), disabled
}

func (w *world) held() bool {
	words := w.Degraded()
	return len(words) == 1 && strings.Contains(words[0], "tokens are refused")
}

func (s *service) answerWith(answer func(push.Target) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// A credential of the wrong environment refuses every token of a large channel: no device
// is disabled, the operator is told once, the pushes wait, and they arrive when a token is
// accepted.
func TestWrongCredentialDisablesNobody(t *testing.T) {
	const devices = 250
	apple := &service{answer: refuses(chatbell.InvalidToken)}
	w := newWorld(t, apple, 1)
	w.send("n0", devices)
	w.until("the refusals are noticed", w.held)
	w.send("n0", 1) // waits with the others
	held := time.Now()
	w.until("a probe is refused", func() bool { return len(apple.tries(held)) > 0 })
	if all, disabled := w.devices(); all != devices+1 || disabled != 0 {
		t.Errorf("%d devices are left, %d of them disabled; want all %d as they were", all, disabled, devices+1)
	}
	if n := len(apple.tries(held)); n > 2*probes {
		t.Errorf("%d tries although tokens are refused", n)
	}
	apple.answerWith(nil)
	w.until("everybody is told", func() bool { return apple.acceptedOnce() == devices+1 })
	w.until("nothing waits", func() bool {
		left, err := w.store.Backlogs(t.Context())
		return err == nil && len(left) == 0 && !w.held()
	})
	told := 0
	for _, line := range w.log.lines(t) {
		if line["level"] == "ERROR" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the operator was told %d times, want once", told)
	}
}

// The same credential, met one push at a time: devices that were disabled before it was
// noticed are enabled again.
func TestDisabledByMistakeAreEnabled(t *testing.T) {
	apple := &service{answer: refuses(chatbell.InvalidToken)}
	w := newWorld(t, apple, 1)
	one := func(n int) {
		w.send("n0", 1)
		w.until("the device is disabled", func() bool {
			_, disabled := w.devices()
			return disabled == n
		})
	}
	one(1)
	one(2)
	w.send("n0", refusedAnswers)
	w.until("the refusals are noticed", w.held)
	w.until("all devices are as they were", func() bool {
		all, disabled := w.devices()
		return all == refusedAnswers+2 && disabled == 0
	})
}

// Tokens of which half are dead, for whatever reason: those that are alive are told without
// delay, and no more devices are removed than could be before it was noticed.
func TestManyDeadTokensDelayNobody(t *testing.T) {
	const events, devices = 8, 100
	apple := &service{answer: func(target push.Target) error {
		if strings.HasSuffix(target.Token, "1") || strings.HasSuffix(target.Token, "3") || strings.HasSuffix(target.Token, "5") {
			return &chatbell.SendError{Reason: chatbell.Unregistered, Status: 410}
		}
		return nil
	}}
	w := newWorld(t, apple, 1)
	for range events {
		w.send("n0", devices)
	}
	w.until("the others are told", func() bool { return apple.acceptedOnce() == events*devices*7/10 })
	w.until("nothing waits", func() bool {
		left, err := w.store.Backlogs(t.Context())
		return err == nil && len(left) == 0 && !w.held()
	})
	if all, _ := w.devices(); all < events*devices-refusedAnswers {
		t.Errorf("%d devices of %d are left: more than %d were removed", all, events*devices, refusedAnswers)
	}
}

// What answers open and close.
func TestRefusalsBreaker(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var r refusals
	say := func(n int, word tokenWord) change {
		last := nothingChanged
		for range n {
			if c := r.heard(word, true, now); c != nothingChanged {
				last = c
			}
		}
		return last
	}
	is := func(what string, want tokenPolicy) {
		t.Helper()
		if got := r.policy(true); got != want {
			t.Errorf("%s: policy %d, want %d", what, got, want)
		}
		if got := r.policy(false); want != holdPush && got != applyRefusal {
			t.Errorf("%s: policy %d of the other environment", what, got)
		}
	}
	say(80, tokenTaken)
	say(20, tokenRefused)
	is("a fifth of a hundred are refused", applyRefusal)
	now = now.Add(2 * refusedSpan)
	say(refusedAnswers-1, tokenRefused)
	is("too few answers to judge by", applyRefusal)
	now = now.Add(2 * refusedSpan) // slowly, too
	if say(1, tokenRefused) != refusesMany {
		t.Error("a hundred refusals are not noticed")
	}
	is("all are refused", holdPush)
	if !r.skips(0, now) || r.skips(0, now.Add(probeFirst)) || !r.skips(probes, now.Add(probeFirst)) {
		t.Error("probes are not made when they are due")
	}
	if say(1, tokenTaken) != takesAgain {
		t.Error("an accepted token closes nothing")
	}
	is("one is accepted", spareDevice)
	if say(refusedAnswers-1, tokenRefused) != nothingChanged || say(1, tokenRefused) != refusesMany {
		t.Error("a hundred refusals in a row are not noticed, or fewer are")
	}
	say(500, tokenTaken)
	is("within the same minute", spareDevice)
	now = now.Add(2 * refusedSpan)
	say(1, tokenTaken)
	is("after a minute with few refusals", applyRefusal)
}

// What waits first is for tokens that are dead indeed: the probes go on to others.
func TestProbesOfTokensTakeTurns(t *testing.T) {
	apple := &service{answer: refuses(chatbell.InvalidToken)}
	w := newWorld(t, apple, 1)
	w.send("n0", refusedAnswers)
	w.until("the refusals are noticed", w.held)
	dead := "n0-1-" // those of the first event
	apple.answerWith(func(target push.Target) error {
		if strings.HasPrefix(target.Token, dead) {
			return refuses(chatbell.InvalidToken)(target)
		}
		return nil
	})
	w.send("n0", 1)
	w.until("the other device is told", func() bool { return apple.acceptedOnce() == 1 })
}
