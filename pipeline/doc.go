// Package pipeline wires what happens between an accepted request and its rows in
// ClickHouse: plan → deliver → record, as watermill handlers over JetStream.
//
// [Consumers] is the table of its stages, [Streams] that of its streams. The work is done
// in the rooms below: work holds what they hand to each other, plan decides, deliver
// sends, ledger makes the rows durable and knows what was done before. What is here is
// about all of them: middleware (a failed message is redelivered after a growing delay, or
// goes to the dead letters), and backpressure where results find no room.
//
// # Order
//
// Requests of one channel are planned one after another. A partition's next micro-batch is handed out only
// when its targets are in their queues, which fixes the order of first attempts; retries
// hold up nothing.
//
// # Redelivery
//
// Delivery is at-least-once: JetStream hands a message out again when its acknowledgement
// was lost, and after a crash nobody knows which were. Work that may be a repeat is compared with the ledger before
// anything is sent: a target with a definite outcome is never told twice.
package pipeline
