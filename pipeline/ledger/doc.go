// Package ledger knows what has been done: the [Writer] makes finished rows durable in the
// stream RESULTS, from which the recorder brings them to ClickHouse, and the [Ledger]
// answers, for work that may be a redelivery, what of it was finished before. It is the
// deduplication of the pipeline: at-least-once delivery inside, told once outside.
package ledger
