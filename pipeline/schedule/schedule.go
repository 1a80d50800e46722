// Package schedule keeps requests until their time, in the store, and hands them to the
// intake then: a request that is planned for tomorrow takes no place in the broker until
// tomorrow, survives restarts, and can be cancelled until it is handed over.
//
// A request is handed over at least once: one that was claimed by a process that died is
// handed over again, and the intake knows its id.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/work"
)

// Store keeps what waits. See package store for the contract.
type Store interface {
	PutScheduled(ctx context.Context, in store.Scheduled) error
	CancelScheduled(ctx context.Context, network chatbell.NetworkID, kind, id string) (bool, error)
	ClaimScheduled(ctx context.Context, now time.Time, limit int) ([]store.Scheduled, error)
	PostponeScheduled(ctx context.Context, network chatbell.NetworkID, kind, id string, due time.Time) error
	ScheduledDone(ctx context.Context, network chatbell.NetworkID, kind, id string) error
	NextScheduled(ctx context.Context) (time.Time, error)
}

// Intake takes requests in. See [intake.Intake].
type Intake interface {
	Accept(ctx context.Context, requests []intake.Request) ([]intake.Status, error)
}

// Config is what a schedule is made of. All fields but Now are required.
type Config struct {
	Store  Store
	Intake Intake
	Log    *slog.Logger
	Now    func() time.Time
}

// Schedule keeps requests until their time. Safe for concurrent use.
type Schedule struct {
	cfg  Config
	wake chan struct{}
}

// New makes a schedule. Nothing is handed over before Run.
func New(cfg Config) *Schedule {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Schedule{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Put keeps a request until its time. The same again changes nothing; another one with its
// id is [store.ErrConflict].
func (s *Schedule) Put(ctx context.Context, in store.Scheduled) error {
	if err := s.cfg.Store.PutScheduled(ctx, in); err != nil {
		return fmt.Errorf("schedule %s: %w", in.ID, err)
	}
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
	return nil
}

// Cancel takes a request back, and reports whether it still waited.
func (s *Schedule) Cancel(ctx context.Context, network chatbell.NetworkID, kind, id string) (bool, error) {
	cancelled, err := s.cfg.Store.CancelScheduled(ctx, network, kind, id)
	if err != nil {
		return false, fmt.Errorf("cancel %s: %w", id, err)
	}
	return cancelled, nil
}

const (
	// page is how many requests are handed over in one go: each may be half a megabyte.
	page = 16
	// pause is how long a hand-over that failed waits before the next.
	pause = 5 * time.Second
	// nap bounds the sleep: a clock that is set, or a neighbour on the same store, is
	// noticed after that.
	nap = time.Minute
)

// Run hands over what is due until the context ends.
func (s *Schedule) Run(ctx context.Context) error {
	for {
		wait, err := s.handOver(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		if err != nil {
			wait = pause
			s.cfg.Log.Warn("scheduled requests wait for longer than they should", "error", err, "again_in", wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// handOver hands over what is due, and returns how long there is nothing to do.
func (s *Schedule) handOver(ctx context.Context) (time.Duration, error) {
	for {
		next, err := s.cfg.Store.NextScheduled(ctx)
		if err != nil {
			return 0, fmt.Errorf("look what is due: %w", err)
		}
		now := s.cfg.Now()
		switch {
		case next.IsZero():
			return nap, nil
		case next.After(now):
			return min(next.Sub(now), nap), nil
		}
		due, err := s.cfg.Store.ClaimScheduled(ctx, now, page)
		if err != nil {
			return 0, fmt.Errorf("claim what is due: %w", err)
		}
		for i := range due {
			if err := s.one(ctx, &due[i]); err != nil {
				return 0, err
			}
		}
	}
}

var errUnknown = errors.New("the broker does not say whether it has it")

// one hands over one request.
func (s *Schedule) one(ctx context.Context, due *store.Scheduled) error {
	got, err := s.cfg.Intake.Accept(ctx, []intake.Request{{
		Kind:    work.Kind(due.Kind),
		Network: due.Network,
		ID:      due.ID,
		Key:     due.Key,
		Payload: due.Payload,
	}})
	if err == nil && got[0] == intake.Unknown {
		err = errUnknown
	}
	if err != nil { // others may be of a network that has room
		s.cfg.Log.Warn("a scheduled request is late: it was not taken", "network", due.Network, "id", due.ID, "error", err, "again_in", pause)
		if err := s.cfg.Store.PostponeScheduled(ctx, due.Network, due.Kind, due.ID, s.cfg.Now().Add(pause)); err != nil {
			return fmt.Errorf("postpone %s: %w", due.ID, err)
		}
		return nil
	}
	if err := s.cfg.Store.ScheduledDone(context.WithoutCancel(ctx), due.Network, due.Kind, due.ID); err != nil {
		return fmt.Errorf("forget %s: %w", due.ID, err)
	}
	return nil
}
