package pipeline

import (
	"errors"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/deliver"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/work"
)

// Observer is told what the stages do, for metrics. It is called often and from many
// goroutines: its methods must be quick and safe for concurrent use.
type Observer interface {
	// Handled is called when a message of a stream is let go of. Took is the time since it
	// was handed out: for EVENTS the matching and the first tries of what went straight to
	// its destinations, for PUSH and HOOK the tries of one batch.
	Handled(stream, end string, took time.Duration)
	plan.Observer
	deliver.Observer
	// Finished gets the rows of deliveries that have ended, once they are durable. It must
	// not keep them. After a crash a delivery may be told twice.
	Finished(rows []chatbell.Delivery)
}

// What becomes of a message that a stage was given. The list is closed.
const (
	MessageDone     = "done"
	MessageReturned = "returned" // comes again after a while
	MessageDead     = "dead"     // went to the dead letters at once
	MessageHeld     = "held"     // waits until the stream of results can be read
)

// observe tells the observer of each message of a stream.
func observe(stream string, o Observer) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			start := time.Now()
			out, err := next(msg)
			o.Handled(stream, messageEnd(err), time.Since(start))
			return out, err
		}
	}
}

func messageEnd(err error) string {
	switch {
	case err == nil:
		return MessageDone
	case errors.Is(err, ledger.ErrUnavailable):
		return MessageHeld
	case work.IsPermanent(err):
		return MessageDead
	}
	return MessageReturned
}

// Written is how many rows of results were made durable since the start.
func (p *Pipeline) Written() uint64 { return p.results.Written() }

// Load sums up what the destinations have in memory, by kind of target.
func (p *Pipeline) Load() []deliver.Load { return p.dispatcher.Load() }

// Hosts sums up the circuit breakers of push services, by kind of target.
func (p *Pipeline) Hosts() []deliver.HostLoad { return p.dispatcher.Hosts() }

// Degraded says in words what is held up on the way out, and by whom.
func (p *Pipeline) Degraded() []string { return p.dispatcher.Degraded() }
