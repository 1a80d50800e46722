package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// DeadLetter is a message that was given up.
type DeadLetter struct {
	// ID is its place in the stream of dead letters, from 1.
	ID uint64
	// Subject is the one it had, and Sequence its place in that stream.
	Subject  string
	Sequence uint64
	Reason   string
	// Tries is how often a handler got it, at least; 0 where nobody counted.
	Tries   int
	At      time.Time // when it was given up
	Payload []byte

	header nats.Header
}

// Metadata is what the message carried besides its payload; empty when it has no such entry.
func (l *DeadLetter) Metadata(name string) string { return l.header.Get(name) }

// ErrNoDeadLetter says that there is no such dead letter: it was replayed or removed, or
// dropped for newer ones.
var ErrNoDeadLetter = errors.New("there is no such dead letter")

// DeadLetter finds the first dead letter from an id on whose subject fits a filter, which
// may have wildcards. The error is [ErrNoDeadLetter] when there is none.
func (b *Broker) DeadLetter(ctx context.Context, filter string, from uint64) (*DeadLetter, error) {
	found, err := b.js.Stream(ctx, DeadLetters)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", asUnavailable(err))
	}
	raw, err := found.GetMsg(ctx, max(from, 1), jetstream.WithGetMsgSubject(DeadLetters+"."+filter))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNoDeadLetter
	case err != nil:
		return nil, fmt.Errorf("dead letters: %w", asUnavailable(err))
	}
	letter := &DeadLetter{
		ID:      raw.Sequence,
		Subject: strings.TrimPrefix(raw.Subject, DeadLetters+"."),
		Reason:  raw.Header.Get(headerDeadReason),
		At:      raw.Time,
		Payload: raw.Data,
		header:  raw.Header,
	}
	letter.Sequence, _ = strconv.ParseUint(raw.Header.Get(headerDeadSequence), 10, 64) // 0 where it says nothing
	letter.Tries, _ = strconv.Atoi(raw.Header.Get(headerDeadTries))
	return letter, nil
}

// headerReplayed marks a message that was a dead letter, with the sequence that it had at
// first: whoever orders by sequences goes by that one.
const headerReplayed = "Chatbell-Replayed"

// Replay publishes a dead letter again where it came from, as work that may have been done
// in part, and removes it. Where that is not finished, doing it again changes nothing for
// as long as the stream remembers ids.
func (b *Broker) Replay(ctx context.Context, letter *DeadLetter) error {
	msg := &nats.Msg{Subject: letter.Subject, Header: maps.Clone(letter.header), Data: letter.Payload}
	if msg.Header == nil {
		msg.Header = nats.Header{}
	}
	for name := range msg.Header {
		if strings.HasPrefix(name, "Nats-") || strings.HasPrefix(name, headerDead) {
			delete(msg.Header, name)
		}
	}
	if msg.Header.Get(headerReplayed) == "" { // of one that died again it is the first that counts
		msg.Header.Set(headerReplayed, strconv.FormatUint(letter.Sequence, 10))
	}
	msg.Header.Set(nats.MsgIdHdr, fmt.Sprintf("replay-%d-%d", letter.ID, letter.At.UnixNano()))
	if _, err := b.js.PublishMsg(ctx, msg); err != nil {
		return fmt.Errorf("replay dead letter %d: %w", letter.ID, publishError(err))
	}
	return b.RemoveDead(ctx, letter.ID)
}

// RemoveDead removes a dead letter; one that is not there is no error.
func (b *Broker) RemoveDead(ctx context.Context, id uint64) error {
	found, err := b.js.Stream(ctx, DeadLetters)
	if err == nil {
		err = found.DeleteMsg(ctx, id)
	}
	if err == nil {
		return nil
	}
	if letter, there := b.DeadLetter(ctx, ">", id); errors.Is(there, ErrNoDeadLetter) || there == nil && letter.ID != id {
		return nil
	}
	return fmt.Errorf("remove dead letter %d: %w", id, asUnavailable(err))
}

// withTries notes how often a message was tried, for who looks at it among the dead.
func withTries(header nats.Header, tries int) nats.Header {
	out := nats.Header{}
	maps.Copy(out, header)
	out.Set(headerDeadTries, strconv.Itoa(tries))
	return out
}
