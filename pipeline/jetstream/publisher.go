package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// Publisher publishes to streams. The zero value is not usable; see
// [Broker.Publisher].
type Publisher struct {
	broker *Broker
	closed atomic.Bool
}

var _ message.Publisher = (*Publisher)(nil)

// Publisher makes a publisher.
func (b *Broker) Publisher() *Publisher { return &Publisher{broker: b} }

// PubResult is the broker's answer to one message.
type PubResult struct {
	Sequence uint64
	// Duplicate says that the stream already had a message with this id.
	Duplicate bool
	Err       error
}

var errPublisherClosed = errors.New("publisher is closed")

// Publish implements message.Publisher. It returns when all messages are stored; on
// an error some of them may be, and publishing them again is harmless.
func (p *Publisher) Publish(topic string, msgs ...*message.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	results, err := p.PublishAcked(msgs[0].Context(), func(int) string { return topic }, msgs)
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.Err != nil {
			return fmt.Errorf("publish message %d of %d to %s: %w", i+1, len(results), topic, r.Err)
		}
	}
	return nil
}

// PublishAcked publishes messages, all under way at once, and returns the broker's
// answer to each, in their order. The error is for what concerns all of them; each
// answer's own is [ErrFull], [ErrUnavailable] or the broker's word.
func (p *Publisher) PublishAcked(ctx context.Context, topicOf func(i int) string, msgs []*message.Message) ([]PubResult, error) {
	if p.closed.Load() {
		return nil, errPublisherClosed
	}
	out := make([]PubResult, len(msgs))
	futures := make([]jetstream.PubAckFuture, len(msgs))
	for i, msg := range msgs {
		topic := topicOf(i)
		if err := p.broker.topic(ctx, topic); err != nil {
			return nil, err
		}
		window, err := p.broker.window(streamName(topic))
		if err != nil {
			return nil, err
		}
		if futures[i], err = window.PublishMsgAsync(marshal(topic, msg), jetstream.WithStallWait(publishTimeout)); err != nil {
			out[i].Err = publishError(err)
		}
	}
	timer := time.NewTimer(2 * publishTimeout) // the library's own time-out comes first; this is the net below it
	defer timer.Stop()
	for i, future := range futures {
		if future == nil {
			continue
		}
		select {
		case ack := <-future.Ok():
			out[i] = PubResult{Sequence: ack.Sequence, Duplicate: ack.Duplicate}
		case err := <-future.Err():
			out[i].Err = publishError(err)
		case <-timer.C:
			return nil, fmt.Errorf("%w: no acknowledgement within %s", ErrUnavailable, 2*publishTimeout)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return out, nil
}

// The broker's refusals that mean "no room".
const (
	codeStreamFull  jetstream.ErrorCode = 10077 // a limit of the stream with DiscardNew
	codeNoResources jetstream.ErrorCode = 10023 // the server has no resources
	codeNoStorage   jetstream.ErrorCode = 10047 // the server's storage is used up
)

func publishError(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeStreamFull:
			return fmt.Errorf("%w: %w", ErrFull, err)
		case codeNoResources, codeNoStorage:
			return fmt.Errorf("%w: %w", ErrNoSpace, err)
		default: // no matter of room
		}
	}
	return asUnavailable(err)
}

// Close stops further publishing. The broker stays open.
func (p *Publisher) Close() error {
	p.closed.Store(true)
	return nil
}
