// Package chatbell holds the words of a chat-notification server: what a chat
// backend tells it, what it decides, and what it records.
//
// A chat backend posts an [Event] for its [NetworkID]. A rule says whom the event
// concerns and in which words; the [Toggles] of network, user and channel say who
// wants to hear of it. What remains is a [Notification]: one event, about one
// subject, told to one user. It goes to targets: the user's devices, the
// customer's webhook endpoints, or both. The whole life of one notification at one
// target is a [Delivery] with exactly one [Outcome] and, unless it was accepted,
// one [Reason]; one try is an [Attempt].
//
// The package imports the standard library only, so that every other package can
// speak these words without depending on anything else. Its values are plain data:
// they hold no locks and may be shared between goroutines as long as nobody writes.
package chatbell
