// Package jetstream is watermill's Publisher and Subscriber over NATS JetStream, and
// the only home of the NATS libraries. The broker runs in this process by default,
// without a listener; an external one is another address.
//
// # Streams
//
// A topic is a subject; its first token names the stream. Streams are stored in
// files and keep messages after they were consumed: [Broker.PurgeAcknowledged]
// removes what is behind the acknowledged floor, but nothing younger than the
// deduplication window, because a stream forgets the id of a message that it no
// longer has when it is opened again. A stream that is full refuses new messages
// ([ErrFull]) and loses none.
//
// # Delivery
//
// At least once. A message is acknowledged, or handed back with a delay, or, when
// its deliveries are used up or its handler says so ([SetDead]), copied to the
// stream DEAD before it is given up. While a handler holds a message the broker is
// told so, so that slow work is not handed out twice. [RedeliveryOf] tells a handler
// whether somebody may have seen its message before; it never errs on the side of
// "new".
//
// # Order
//
// Messages of one key pass the subscriber's gate one after another, in the order of
// the stream; other keys do not wait for them. A handler opens the gate early with
// [Release]; otherwise the acknowledgement does. A message that was handed back
// before its release keeps its place: those behind it wait for its return.
//
// All types are safe for concurrent use.
package jetstream
