package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/pipeline/ledger"
)

// Room tells how much room is left for results.
type Room interface {
	// Full reports that only work in hand may still write results: nothing new may
	// begin. It is asked for every message and must be cheap.
	Full(ctx context.Context) (bool, error)
}

// holdCheck is how often work that is held looks for room: seldom enough to cost
// nothing, often enough that nobody waits long for what ClickHouse has taken.
const holdCheck = 500 * time.Millisecond

// hold is the pipeline's backpressure: it keeps messages from their stages while there is
// no room for results. What was sent and could not be written down would be sent again.
type hold struct {
	room    Room
	log     *slog.Logger
	holding atomic.Bool
	// stopping is closed when the process stops: a message's own context lasts longer,
	// for the work in hand.
	stopping chan struct{}
}

var errHeld = errors.New("handed back: what comes of it could not be recorded now")

// before is the middleware. What is held keeps its place, and is handed back when the
// process stops.
func (h *hold) before(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		for {
			if err := h.wait(msg.Context()); err != nil {
				return nil, err
			}
			out, err := next(msg)
			// Nothing was sent, and nothing is wrong with the message: it waits here, because
			// what is handed back too often is given up.
			if !errors.Is(err, ledger.ErrUnavailable) {
				return out, err
			}
			if err := h.pause(msg.Context()); err != nil {
				return nil, err
			}
		}
	}
}

// full reports whether nothing may be sent now, and tells the log when that changes. A
// broker that does not answer is no reason to hold: whoever sends will hear of it.
func (h *hold) full(ctx context.Context) bool {
	full, err := h.room.Full(ctx)
	full = full && err == nil
	if h.holding.Load() == full || !h.holding.CompareAndSwap(!full, full) {
		return full
	}
	if full {
		h.log.Warn("no room for more results: sending pauses until ClickHouse takes them, or the disk has room; see what is wrong with it")
	} else {
		h.log.Info("there is room for results again; sending goes on")
	}
	return full
}

// wait returns when there is room for results.
func (h *hold) wait(ctx context.Context) error {
	for h.full(ctx) {
		if err := h.pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pause lets some time pass, or reports that the message has to be handed back.
func (h *hold) pause(ctx context.Context) error {
	select {
	case <-time.After(holdCheck):
		return nil
	case <-h.stopping:
		return errHeld
	case <-ctx.Done():
		return errHeld
	}
}
