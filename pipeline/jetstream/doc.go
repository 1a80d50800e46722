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
// # Micro-batches
//
// With [SubscriberConfig.Batch] a message of watermill's is a micro-batch ([BatchOf]): what
// waits in its topic, in order. The next one is handed out when the handler has released it
// ([Release]), and not when all that it caused has ended; one acknowledgement settles all of
// it. Each of its messages ([Item]) may be settled by itself besides: acknowledged early,
// handed back for a while, given up.
//
// # Order
//
// A topic's messages are handed out in the order of the stream. One that was handed back
// waits here, not at the broker, and those behind it of its key wait with it; other keys do
// not. Without micro-batches each key goes on by itself: a message waits until the one
// before it of its key was released or acknowledged, and for nobody else. Both are one keyed
// FIFO (fifo.go).
//
// All types are safe for concurrent use.
package jetstream
