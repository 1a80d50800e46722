// Package native is chatbell's own HTTP API: events in, the state calls, and what an
// operator asks a server. Its wire format is described by /openapi.json; errors are
// RFC 9457 problems.
//
// Events are checked one by one: a bad one is rejected with JSON pointers to what is
// wrong, and harms no other of its request. A request is answered only after its
// events are durable.
//
// The package declares what it needs of the rest as small interfaces; New puts them
// together into an http.Handler that is safe for concurrent use.
package native
