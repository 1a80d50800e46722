// Package deliver brings decided work to its destinations and settles what came of it.
//
// The [Dispatcher] keeps one queue for each destination (one credential of one network,
// or one endpoint): a keyed FIFO with an order per phone, a concurrency limit, and a
// circuit breaker, so that a destination that hangs holds up nobody else (a bulkhead).
// Each target is tried once; what has to be tried again, or finds no place in memory,
// waits in the [Backlog], in the store and never unacknowledged, so that a restart
// forgets nothing. The provider says whether another try can help, this package when.
//
// [Stage] is the consumer of the streams PUSH and HOOK: it checks once more, right before
// the send, who may still be told.
package deliver
