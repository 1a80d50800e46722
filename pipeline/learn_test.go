package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/internal/store"
	"chatbell/pipeline"
	"chatbell/pipeline/deliver"
	"chatbell/pipeline/push"
	"chatbell/pipeline/work"
)

// onceFull is a store whose disk is full for a moment.
type onceFull struct {
	pipeline.Store
	failed atomic.Bool
}

func (o *onceFull) PutWaiting(ctx context.Context, rows []store.Waiting) ([]int64, error) {
	if o.failed.CompareAndSwap(false, true) {
		return nil, errors.New("the disk is full")
	}
	return o.Store.PutWaiting(ctx, rows)
}

// The customer is told of a dead token also if that could not be written down at once
// (or if the process was killed in between).
func TestDeadTokenIsToldAfterAll(t *testing.T) {
	s := startWith(t, func(n *work.Network) {
		n.Endpoints = []chatbell.Endpoint{{ID: "main", URL: "https://x", Events: []string{string(deliver.DeviceRemoved)}}}
	}, func(c *pipeline.Config, s *stage) {
		c.Store = &onceFull{Store: s.store}
	})
	s.phone.answer = func(string) error {
		return &chatbell.SendError{Reason: chatbell.Unregistered, Status: 410, ProviderReason: "Unregistered"}
	}
	s.device("b", "tb", "")
	s.post(created("1", "a", "b"))
	polltest.Until(t, "the customer is told", func() bool {
		s.hook.mu.Lock()
		defer s.hook.mu.Unlock()
		return len(s.hook.calls) > 0
	})
}

// panics is a provider's client with a mistake.
type panics struct{ *phone }

func (p panics) Send(ctx context.Context, pl push.Payload, t push.Target) (push.Receipt, error) {
	if t.Token == "bad" {
		panic("a mistake of ours, or of a library")
	}
	return p.phone.Send(ctx, pl, t)
}

// A panic while one push is sent costs this push, not the process.
func TestPanicInSend(t *testing.T) {
	s := startWith(t, func(n *work.Network) {
		c := work.Credential{Provider: chatbell.ProviderAPNs, App: "chat"}
		n.Pushers[c] = panics{n.Pushers[c].(*phone)}
	}, nil)
	s.device("b", "bad", "")
	s.device("c", "good", "")
	s.post(created("1", "a", "b", "c"))
	s.wait(2)
	if got := s.outcomes(); got["b apns failed /other"] != 1 || got["c apns accepted /"] != 1 {
		t.Errorf("outcomes %v", got)
	}
}

// onceDown is a store that cannot remove a device at first.
type onceDown struct {
	pipeline.Store
	failed atomic.Bool
}

func (o *onceDown) RemoveDeadDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, since time.Time) (bool, error) {
	if o.failed.CompareAndSwap(false, true) {
		return false, errors.New("the store is away")
	}
	return o.Store.RemoveDeadDevice(ctx, network, id, token, since)
}

// What a provider said of one token cannot be stored at once: what it accepted for
// another in the same batch is recorded all the same, and not sent again.
func TestAcceptedBesideDeadToken(t *testing.T) {
	s := startWith(t, nil, func(c *pipeline.Config, s *stage) {
		c.Store = &onceDown{Store: s.store}
	})
	s.phone.answer = func(token string) error {
		if token == "dead" {
			return &chatbell.SendError{Reason: chatbell.Unregistered, Status: 410}
		}
		return nil
	}
	s.device("b", "dead", "")
	s.device("c", "good", "")
	s.post(created("1", "a", "b", "c"))
	polltest.Until(t, "the dead token is removed", func() bool {
		left, err := s.store.Devices(t.Context(), "acme", deviceFilter("b"))
		check(t, err)
		return len(left) == 0
	})
	s.until("nothing is left to do", s.idle)
	s.wait(2)
	if n := len(s.phone.all()); n != 1 {
		t.Errorf("the other phone accepted %d times, want once", n)
	}
}
