package pipeline

import (
	"cmp"
	"time"

	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// Consumer is one stage as the broker sees it.
type Consumer struct {
	// Name is the stage's, and that of its durable consumer.
	Name string
	// Stream is what it consumes.
	Stream string
	// InFlight is how many messages it has in hand at once.
	InFlight int
}

// The stages. An event holds its place until its sends are done: half of 2,048, which is
// what one destination that is quiet may have, hide a provider's 30 ms at 30,000 pushes/s.
// A batch is up to 256 sends, so that 256 of them are four destinations' full queues.
var (
	stagePlan = Consumer{Name: "match", Stream: work.StreamEvents, InFlight: 2048}
	stagePush = Consumer{Name: "push", Stream: work.StreamPush, InFlight: 256}
	stageHook = Consumer{Name: "hook", Stream: work.StreamHook, InFlight: 256}
)

// Consumers are the stages, in the order in which work goes through them. A new stage is
// a row here and its handler in [New].
func Consumers() []Consumer { return []Consumer{stagePlan, stagePush, stageHook} }

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
