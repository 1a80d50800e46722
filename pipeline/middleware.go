package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/internal/backoff"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

func panicError(v any, stack []byte) error { return fmt.Errorf("panic: %v\n%s", v, stack) }

// recoverer turns a panic of a handler into an error of its message: one bad event
// must not take the process, and all other networks, with it.
func recoverer(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) (out []*message.Message, err error) {
		defer func() {
			if value := recover(); value != nil {
				err = panicError(value, debug.Stack())
			}
		}()
		return next(msg)
	}
}

// The waits before a message whose handler failed comes again.
const (
	nackFirst = time.Second
	nackMax   = time.Minute
)

// errorPolicy is the one place that decides what becomes of a message whose handler
// failed: a permanent error goes to the dead letters at once, any other comes again
// after a growing delay, and to the dead letters when its deliveries are used up.
func errorPolicy(stage string, log *slog.Logger) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			out, err := next(msg)
			switch {
			case err == nil:
				return out, nil
			case errors.Is(err, ledger.ErrUnavailable): // the broker is away, and says so itself
				log.Debug("message waits", "stage", stage, "sequence", jetstream.Sequence(msg), "error", err)
			case work.IsPermanent(err):
				log.Warn("no repetition can help a message: it is given up", "stage", stage, "sequence", jetstream.Sequence(msg), "error", err)
				jetstream.SetDead(msg, err.Error())
			default:
				wait := backoff.FullJitter(nackFirst, nackMax, jetstream.Deliveries(msg))
				log.Warn("message comes again", "stage", stage, "sequence", jetstream.Sequence(msg), "wait", wait, "error", err)
				jetstream.SetNackDelay(msg, wait)
			}
			return nil, err
		}
	}
}

// settleRequests is what the planning stage does with each request of a micro-batch that
// has ended: the same policy, and the same news for the observer.
func settleRequests(o Observer, log *slog.Logger) func(*jetstream.Item, time.Duration, error) {
	return func(item *jetstream.Item, took time.Duration, err error) {
		o.Handled(work.StreamEvents, messageEnd(err), took)
		switch {
		case err == nil:
		case errors.Is(err, ledger.ErrUnavailable): // the broker is away, and says so itself
			log.Debug("message waits", "stage", stageOfRequests, "sequence", item.Sequence(), "error", err)
			item.Wait(holdCheck)
		case work.IsPermanent(err):
			log.Error("message goes to the dead letters", "stage", stageOfRequests, "sequence", item.Sequence(), "error", err)
			item.Dead(err.Error())
		default:
			wait := backoff.FullJitter(nackFirst, nackMax, item.Deliveries())
			log.Warn("message comes again", "stage", stageOfRequests, "sequence", item.Sequence(), "wait", wait, "error", err)
			item.Nack(wait)
		}
	}
}
