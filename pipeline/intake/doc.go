// Package intake accepts requests: it is the one door between the surfaces that strangers
// call and the pipeline that works. What it accepts is durable in the broker before the
// caller is told so, is known by its id (the idempotency key) when it comes again, and is
// refused, with a time to come again, while too much waits already (backpressure).
//
// A [Request] is of any kind that the pipeline has a planner for; a chat event is one.
// What becomes of it is a [Status], and what concerns a whole call an [Error]: both are
// closed lists, which each surface maps to its own wire form once.
package intake
