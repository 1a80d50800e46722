// Package deadletter looks after what the pipeline gave up: it lists the dead letters of a
// network, says of each what it was and why it was given up, and replays or removes it. A
// dead letter that is replayed goes where it came from, as work that may have been done in
// part: the ledger takes out what is finished, and the event's changes of the state go on
// counting from where they were.
package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// Kind is what a dead letter was. The list is closed.
type Kind string

// The kinds.
const (
	KindEvent   Kind = "event"   // an event whose audience was to be decided
	KindRequest Kind = "request" // another request: a push of the customer's own, for example
	KindPush    Kind = "push"    // a batch of pushes
	KindWebhook Kind = "webhook" // a webhook call
)

// Kinds are all kinds.
var Kinds = [...]Kind{KindEvent, KindRequest, KindPush, KindWebhook}

// Letter is a dead letter of a network.
type Letter struct {
	// ID is greater for one that was given up later.
	ID     uint64
	Kind   Kind
	Reason string
	// Tries is how often it was handed out, at least; 0 where nobody counted.
	Tries int
	// At is when it was given up.
	At time.Time
	// EventID and EventType are of the event behind it; empty where it cannot be read.
	EventID   chatbell.EventID
	EventType chatbell.EventType
	// AcceptedAt is when that was accepted; zero where it cannot be read.
	AcceptedAt time.Time
	// Targets is how many devices or people a batch was for.
	Targets int
	// Event is the event as the network sent it. It is nil for the other kinds, whose
	// payloads hold the tokens of devices and what is sent to them.
	Event json.RawMessage
	// Bytes is the size of the payload.
	Bytes int
}

// Broker keeps the dead letters. See [jetstream.Broker].
type Broker interface {
	DeadLetter(ctx context.Context, filter string, from uint64) (*jetstream.DeadLetter, error)
	Replay(ctx context.Context, letter *jetstream.DeadLetter) error
	RemoveDead(ctx context.Context, id uint64) error
}

// Letters are the dead letters of an installation. Safe for concurrent use.
type Letters struct{ broker Broker }

// New makes them.
func New(broker Broker) *Letters { return &Letters{broker: broker} }

// maxPage bounds the payloads of one page, in bytes: an answer is made in memory.
const maxPage = 4 << 20

// List returns up to limit dead letters of a network with ids after one, in the order of
// their ids, and whether there may be more. It ends earlier where their payloads are large.
func (l *Letters) List(ctx context.Context, network chatbell.NetworkID, after uint64, limit int) (page []Letter, more bool, err error) {
	bytes := 0
	for len(page) < limit && bytes < maxPage {
		raw, err := l.broker.DeadLetter(ctx, filter(network), after+1)
		if errors.Is(err, jetstream.ErrNoDeadLetter) {
			return page, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		after = raw.ID
		bytes += len(raw.Payload)
		page = append(page, read(raw))
	}
	return page, true, nil
}

// Replay publishes a dead letter of a network again. The error is [chatbell.ErrNotFound]
// where it has none with that id.
func (l *Letters) Replay(ctx context.Context, network chatbell.NetworkID, id uint64) error {
	letter, err := l.find(ctx, network, id)
	if err != nil {
		return err
	}
	return l.broker.Replay(ctx, letter)
}

// Delete removes a dead letter of a network for good. The error is [chatbell.ErrNotFound]
// where it has none with that id.
func (l *Letters) Delete(ctx context.Context, network chatbell.NetworkID, id uint64) error {
	if _, err := l.find(ctx, network, id); err != nil {
		return err
	}
	return l.broker.RemoveDead(ctx, id)
}

func (l *Letters) find(ctx context.Context, network chatbell.NetworkID, id uint64) (*jetstream.DeadLetter, error) {
	letter, err := l.broker.DeadLetter(ctx, filter(network), id)
	switch {
	case errors.Is(err, jetstream.ErrNoDeadLetter), err == nil && letter.ID != id:
		return nil, fmt.Errorf("dead letter %d: %w", id, chatbell.ErrNotFound)
	case err != nil:
		return nil, err
	}
	return letter, nil
}

// filter fits the subjects of a network, in all streams and partitions. Results have none:
// they are of several networks.
func filter(network chatbell.NetworkID) string { return "*.*." + string(network) }

// read says what a dead letter was. One that cannot be read is told as it is: that may be
// why it is here.
func read(raw *jetstream.DeadLetter) Letter {
	letter := Letter{ID: raw.ID, Reason: raw.Reason, Tries: raw.Tries, At: raw.At.UTC(), Bytes: len(raw.Payload)}
	stream, _, _ := strings.Cut(raw.Subject, ".")
	switch stream {
	case work.StreamPush, work.StreamHook:
		letter.Kind = KindPush
		if stream == work.StreamHook {
			letter.Kind = KindWebhook
		}
		if batch, err := work.Decode(raw.Payload); err == nil {
			letter.EventID = batch.Notification.EventID
			letter.EventType = batch.Notification.EventType
			letter.AcceptedAt = batch.Notification.AcceptedAt
			letter.Targets = len(batch.Targets)
		}
		return letter
	}
	if work.KindIn(raw.Metadata) != work.KindEvent {
		letter.Kind = KindRequest
		return letter
	}
	letter.Kind = KindEvent
	letter.Event, _ = json.Marshal(strings.ToValidUTF8(string(raw.Payload), "\uFFFD")) // a string can be encoded
	var envelope chatbell.Envelope
	if json.Unmarshal(raw.Payload, &envelope) != nil {
		return letter
	}
	letter.EventID = envelope.Event.ID
	letter.EventType = envelope.Event.Type
	letter.AcceptedAt = envelope.AcceptedAt
	if event, err := json.Marshal(envelope.Event); err == nil {
		letter.Event = event
	}
	return letter
}
