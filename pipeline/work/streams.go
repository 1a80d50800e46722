package work

import (
	"hash/fnv"
	"strconv"

	"chatbell"
)

// The streams of the pipeline.
const (
	StreamEvents  = "EVENTS"  // accepted requests: EVENTS.<partition>.<network>
	StreamPush    = "PUSH"    // batches for push providers: PUSH.<partition>.<network>
	StreamHook    = "HOOK"    // batches for webhooks: HOOK.<partition>.<network>
	StreamResults = "RESULTS" // finished rows for the recorder: RESULTS
)

// Partitions is how many subjects the channels are spread over, so that several
// nodes can share the work. It is part of the stored subjects and must not change.
const Partitions = 32

// Partition is the partition of an ordering key.
func Partition(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return int(h.Sum32() % Partitions)
}

// Subject is where messages with an ordering key are published.
func Subject(stream, key string, network chatbell.NetworkID) string {
	return stream + "." + strconv.Itoa(Partition(key)) + "." + string(network)
}
