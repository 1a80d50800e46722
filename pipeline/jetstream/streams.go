package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// DeadLetters is the stream of what was given up, and why: DEAD.<subject it had>. It is
// the adapter's own: whoever subscribes may have messages that nobody can handle.
const DeadLetters = "DEAD"

// Stream is what a stream is made with.
type Stream struct {
	// Name is also its first subject; the others begin with it and a dot.
	Name string
	// MaxBytes bounds it on disk, after which publishing fails with [ErrFull]; default 4 GiB.
	MaxBytes int64
	// Duplicates is how long ids are remembered; default is the broker's DedupWindow.
	Duplicates time.Duration
	// FirstSequence is that of the first message, where the stream is made anew; 0 and 1
	// are the same. Whoever keeps sequences must not see them begin again.
	FirstSequence uint64
	// DiscardOld drops the oldest message of a full stream instead of refusing the newest.
	DiscardOld bool
}

const gib = 1 << 30

// deadLetters is the stream of dead letters. Nobody publishes the same id twice there, and
// the newest failure says more than the oldest.
func (c *Config) deadLetters() Stream {
	return Stream{Name: DeadLetters, MaxBytes: cmp.Or(c.DeadLetterBytes, gib), Duplicates: time.Minute, DiscardOld: true}
}

// stream finds what a stream is to be made with. One that is made on demand has the defaults.
func (c *Config) stream(name string) Stream {
	for _, s := range slices.Concat(c.Streams, []Stream{c.deadLetters()}) {
		if s.Name == name {
			return s
		}
	}
	return Stream{Name: name}
}

// streamName is the stream behind a topic: its first token.
func streamName(topic string) string {
	name, _, _ := strings.Cut(topic, ".")
	return name
}

// ensureStream creates the stream or brings it to today's settings.
func (b *Broker) ensureStream(ctx context.Context, name string) error {
	want := b.cfg.stream(name)
	cfg := jetstream.StreamConfig{
		Name: name, Subjects: []string{name, name + ".>"},
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxBytes: cmp.Or(want.MaxBytes, 4*gib), MaxMsgSize: maxPayload,
		Duplicates: cmp.Or(want.Duplicates, b.cfg.DedupWindow), Replicas: b.cfg.Replicas,
	}
	if want.DiscardOld {
		cfg.Discard = jetstream.DiscardOld
	}
	switch now, err := b.js.Stream(ctx, name); {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		cfg.FirstSeq = want.FirstSequence
		return b.create(ctx, cfg)
	case err != nil:
		return fmt.Errorf("stream %s: %w", name, asUnavailable(err))
	default:
		cfg.FirstSeq = now.CachedInfo().Config.FirstSeq
		cfg.Replicas = b.keepReplicas(name, now.CachedInfo().Config.Replicas)
		if err := checkRoom(now.CachedInfo(), &cfg); err != nil {
			return err
		}
	}
	if _, err := b.js.CreateOrUpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("create stream %s: %w", name, err)
	}
	return nil
}

// ErrHoldsMore says that a stream holds more than it should be bounded by.
var ErrHoldsMore = errors.New("the stream holds more than its new limit")

// checkRoom refuses a limit below what a stream holds: the broker would drop the oldest
// messages, which nobody may have handled.
func checkRoom(now *jetstream.StreamInfo, want *jetstream.StreamConfig) error {
	held := now.State.Bytes
	if want.Discard == jetstream.DiscardOld || held <= uint64(want.MaxBytes) {
		return nil
	}
	return fmt.Errorf("stream %s: %w: %d bytes, more than %d", want.Name, ErrHoldsMore, held, want.MaxBytes)
}

// LastSequence is the sequence of the newest message of a stream; 0 when it never
// had one.
func (b *Broker) LastSequence(ctx context.Context, stream string) (uint64, error) {
	found, err := b.js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", stream, asUnavailable(err))
	}
	return found.CachedInfo().State.LastSeq, nil
}

// SequenceAtOpen is the newest sequence that the stream had when the broker was
// opened: nobody knows who has seen what is older.
func (b *Broker) SequenceAtOpen(stream string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.atOpen[stream]
}

// Backlog is how much a stream holds, and how much of it one consumer has not
// finished.
type Backlog struct {
	Messages uint64 // in the stream, also those that are done
	FirstSeq uint64 // of the oldest message that is there
	LastSeq  uint64 // of the newest message that there ever was
	Pending  uint64 // not handed out yet
	InFlight uint64 // handed out, not acknowledged
	Bytes    int64
	MaxBytes int64
	At       time.Time // when it was like this
	// Delivered is the newest sequence that each consumer was given, in their order; 0 for
	// one that has not begun.
	Delivered []uint64
}

// backlogAge is how old an answer of Backlog may be: young enough to stop an
// overload, old enough to be asked for with every request, since asking 32 consumers
// takes some milliseconds.
const backlogAge = 250 * time.Millisecond

type cachedBacklog struct {
	mu      sync.Mutex // held while the broker is asked
	at      time.Time
	backlog Backlog
	err     error
}

// Backlog tells how far durable consumers are behind, all together: each has a part of the
// stream. Without any only the stream itself is told. Answers are up to 250 ms old.
func (b *Broker) Backlog(ctx context.Context, stream string, durables ...string) (Backlog, error) {
	key := stream + "/" + strings.Join(durables, ",")
	b.mu.Lock()
	cached := b.backlogs[key]
	if cached == nil {
		cached = new(cachedBacklog)
		b.backlogs[key] = cached
	}
	b.mu.Unlock()
	cached.mu.Lock()
	defer cached.mu.Unlock()
	if time.Since(cached.at) < backlogAge {
		return cached.backlog, cached.err
	}
	when := time.Now()
	got, err := b.backlog(ctx, stream, durables)
	got.At = when
	if ctx.Err() == nil {
		cached.at = time.Now()
		cached.backlog = got
		cached.err = err
	}
	return got, err
}

func (b *Broker) backlog(ctx context.Context, stream string, durables []string) (Backlog, error) {
	found, err := b.js.Stream(ctx, stream)
	if err != nil {
		return Backlog{}, fmt.Errorf("stream %s: %w", stream, asUnavailable(err))
	}
	info := found.CachedInfo()
	out := Backlog{
		Messages: info.State.Msgs, FirstSeq: info.State.FirstSeq, LastSeq: info.State.LastSeq,
		Bytes: int64(info.State.Bytes), MaxBytes: info.Config.MaxBytes,
	}
	out.Delivered = make([]uint64, len(durables))
	unknown := 0
	for i, durable := range durables {
		consumer, err := found.Consumer(ctx, durable)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			unknown++
			continue
		}
		if err != nil {
			return Backlog{}, fmt.Errorf("consumer %s: %w", durable, asUnavailable(err))
		}
		ci := consumer.CachedInfo()
		out.Pending += ci.NumPending
		out.InFlight += uint64(ci.NumAckPending)
		out.Delivered[i] = ci.Delivered.Stream
	}
	if unknown == len(durables) && unknown > 0 {
		out.Pending = info.State.Msgs // nobody has subscribed yet
	}
	return out, nil
}

// Purge removes what is older than a sequence (exclusive).
func (b *Broker) Purge(ctx context.Context, stream string, before uint64) error {
	found, err := b.js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, asUnavailable(err))
	}
	if before <= found.CachedInfo().State.FirstSeq {
		return nil
	}
	if err := found.Purge(ctx, jetstream.WithPurgeSequence(before)); err != nil {
		return fmt.Errorf("purge stream %s: %w", stream, err)
	}
	return nil
}

// mark is what the newest sequence of a stream was at a time.
type mark struct {
	at  time.Time
	seq uint64
}

// keptShare is how much of a stream's limit may be taken by what PurgeOld keeps: little,
// because it is room that what nobody has read yet does not have.
const keptShare = 8

// PurgeOld removes what is older than a sequence (exclusive), except what is younger than
// an age, as long as the stream takes no more than so many bytes and an eighth of its
// limit. If it does, the older half of it goes whatever its age. It learns ages as
// [Broker.PurgeAcknowledged] does.
func (b *Broker) PurgeOld(ctx context.Context, stream string, before uint64, age time.Duration, bytes uint64) error {
	found, err := b.js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, asUnavailable(err))
	}
	info := found.CachedInfo()
	state := info.State
	old := b.olderThan(stream, state.LastSeq, age)
	if limit := info.Config.MaxBytes; limit > 0 {
		bytes = min(bytes, uint64(limit)/keptShare)
	}
	if state.Bytes > bytes {
		old = max(old, state.FirstSeq+(state.LastSeq-state.FirstSeq)/2)
	}
	return b.Purge(ctx, stream, min(old+1, before))
}

// maxMarks bounds what is remembered of a stream: one mark a second for a while.
const maxMarks = 10_000

// olderThan notes what the newest sequence of a stream is now, and tells what it was so
// long ago; 0 if nobody knows.
func (b *Broker) olderThan(stream string, newest uint64, age time.Duration) uint64 {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	marks := b.marks[stream]
	if n := len(marks); n == 0 || n < maxMarks && now.Sub(marks[n-1].at) > time.Second {
		marks = append(marks, mark{now, newest})
	}
	var old uint64
	for len(marks) > 1 && now.Sub(marks[1].at) > age {
		marks = marks[1:] // the youngest mark that is old enough stays
	}
	if now.Sub(marks[0].at) > age {
		old = marks[0].seq
	}
	b.marks[stream] = marks
	return old
}

// PurgeAcknowledged removes what durable consumers have finished, which have the stream
// between them, except what is younger than the deduplication window. It learns ages by
// being called again and again, once a minute or so.
func (b *Broker) PurgeAcknowledged(ctx context.Context, stream string, durables ...string) error {
	found, err := b.js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, asUnavailable(err))
	}
	newest := found.CachedInfo().State.LastSeq
	before := min(b.olderThan(stream, newest, b.cfg.DedupWindow), newest)
	for _, durable := range durables {
		consumer, err := found.Consumer(ctx, durable)
		if err != nil {
			return fmt.Errorf("consumer %s: %w", durable, asUnavailable(err))
		}
		ci := consumer.CachedInfo()
		if ci.NumPending == 0 && ci.NumAckPending == 0 {
			continue // all of its part that there was when the stream was looked at
		}
		before = min(before, ci.AckFloor.Stream)
	}
	return b.Purge(ctx, stream, before+1)
}
