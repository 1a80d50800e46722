// Package pipeline is what happens between an accepted event and its rows in
// ClickHouse: match → fan out → send → record, as watermill handlers over JetStream.
//
// Match reads one event, applies its state change, asks the rules whom it concerns
// and the toggles who wants it, and renders once for each language. Up to
// [DirectTargets] targets go straight to the senders, and the event is acknowledged
// when their results are durable: one durable hop for a one-to-one message. A
// larger audience is written to the streams PUSH and HOOK page by page, with a
// checkpoint after each page, so that memory stays bounded and a crash repeats one
// page at most.
//
// Send tries each target once through the queue of its destination (one credential
// or one endpoint). What has to be tried again waits in the store, never in memory
// and never unacknowledged, so that a destination that hangs holds up nobody and a
// restart forgets nothing.
//
// # Order
//
// Events of one channel are matched one after another. A message's gate is opened
// only when its targets are in their queues, which fixes the order of first
// attempts; retries hold up nothing.
//
// # Repeats
//
// JetStream hands a message out again when its acknowledgement was lost, and after
// a crash nobody knows which were. Work that may be a repeat is compared with what
// is recorded before anything is sent: a target with a definite outcome is never
// told twice.
package pipeline
