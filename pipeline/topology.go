package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/pipeline/deliver"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/work"
)

// Consumer is one stage as the broker sees it: several durable consumers which have the
// partitions of its stream between them, so that a channel with more messages than can be
// worked off holds the places of its own share, and of no other.
type Consumer struct {
	// Name is the stage's.
	Name string
	// Stream is what it consumes.
	Stream string
	// Shares is how many durable consumers it has; it divides the number of partitions.
	// Each takes the broker some 10 ms to open and to close.
	Shares int
	// Batch is how much of a share it is given at a time; zero is message by message.
	Batch jetstream.Limits
	// InFlight is how many messages of a share it has in hand at once.
	InFlight int
	// Parked is how many may wait besides: those that failed, and those behind them.
	Parked int
	// handle works off what it is given. Of a micro-batch it tells the observer itself, of
	// each of its messages.
	handle func(*handlers, *message.Message) error
}

// handlers are what works off the stages' messages.
type handlers struct {
	planning *plan.Stage
	delivery *deliver.Stage
}

func (h *handlers) plan(msg *message.Message) error    { return h.planning.Handle(msg) }
func (h *handlers) deliver(msg *message.Message) error { return h.delivery.Handle(msg) }

// Subscriber is how a share is read. How long closing may take is for the caller to say.
func (c Consumer) Subscriber(share int) jetstream.SubscriberConfig {
	return jetstream.SubscriberConfig{
		Durable:  c.Durable(share),
		Formerly: c.Name,
		Batch:    c.Batch,
		InFlight: c.InFlight,
		Parked:   c.Parked,
		Key:      work.Key,
	}
}

// Durable is the name of a share's consumer.
func (c Consumer) Durable(share int) string { return fmt.Sprintf("%s-%02d", c.Name, share) }

// Durables are the names of all its consumers.
func (c Consumer) Durables() []string {
	names := make([]string, c.Shares)
	for share := range names {
		names[share] = c.Durable(share)
	}
	return names
}

// Topic is what a share's consumer reads: its partitions' subjects.
func (c Consumer) Topic(share int) string {
	var subjects []string
	for partition := share; partition < work.Partitions; partition += c.Shares {
		subjects = append(subjects, fmt.Sprintf("%s.%d.>", c.Stream, partition))
	}
	return strings.Join(subjects, ",")
}

// planBatch is what a partition's planning takes at a time: enough that a write of results
// and an acknowledgement are little beside the planning, and few enough that what is behind
// them waits for a few milliseconds.
var planBatch = jetstream.Limits{Messages: 128, Bytes: 1 << 20}

// stageOfRequests is the name of the one that plans.
const stageOfRequests = "match"

// stages is the one table of them, in the order in which work goes through them: a new
// stage is a row. Of each partition of EVENTS two micro-batches are in hand: one is planned
// while the sends of the other are under way. A channel whose event fails may have another
// thousand of them wait before its partition waits with it. A batch of a large request
// is up to 256 sends, so that 64 of them are one destination's full queue.
var stages = []Consumer{
	{Name: stageOfRequests, Stream: work.StreamEvents, Shares: work.Partitions, Batch: planBatch, InFlight: 256, Parked: 1024, handle: (*handlers).plan},
	{Name: "push", Stream: work.StreamPush, Shares: 4, InFlight: 64, handle: (*handlers).deliver},
	{Name: "hook", Stream: work.StreamHook, Shares: 4, InFlight: 64, handle: (*handlers).deliver},
}

// degraded is how many tries a destination may have in flight while it says nothing: they
// hide a provider's 30 ms at 30,000 pushes a second.
const degraded = 1024

// Consumers are the stages, in the order in which work goes through them.
func Consumers() []Consumer { return slices.Clone(stages) }

// Streams are what the pipeline publishes to, with their limits on disk. EVENTS also
// keeps what was consumed within the deduplication window: 10 minutes of 10,000 events/s
// at 1 KiB are 6 GiB. PUSH and HOOK hold a fan-out to a million devices (120 MiB) many
// times over. RESULTS holds some 70 million rows of 120 bytes, hours of an unreachable
// ClickHouse; nobody publishes the same id twice there.
//
// These are the shares of the default total of 25 GiB (total 0); the rest of it is for
// the dead letters ([DeadLetterBytes]).
func Streams(total int64) []jetstream.Stream {
	share := DeadLetterBytes(total)
	return []jetstream.Stream{
		{Name: work.StreamEvents, MaxBytes: 8 * share},
		{Name: work.StreamPush, MaxBytes: 4 * share},
		{Name: work.StreamHook, MaxBytes: 4 * share},
		{Name: work.StreamResults, MaxBytes: 8 * share, Duplicates: time.Minute},
	}
}

// The disk of all streams, and how many equal parts it has.
const (
	defaultStorage = 25 << 30
	storageShares  = 25
)

// DeadLetterBytes is the dead letters' share of the total; 0 means the default.
func DeadLetterBytes(total int64) int64 { return cmp.Or(total, defaultStorage) / storageShares }
