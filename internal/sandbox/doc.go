// Package sandbox simulates what chatbell talks to: APNs, FCM with its token
// endpoint, and a customer's webhook server. Tests, benchmarks, the demo and the
// command "chatbell sandbox" use the same one.
//
// It checks what the real services check (tokens and their signatures, headers,
// sizes, forms) and answers in their words, so that a client that works here is not
// refused there for one of these. It fails on request (see [Failure]): errors with
// Retry-After, latency, answers that never come, broken connections, dead tokens.
//
// # Listeners
//
// Three, on one host: plain HTTP for webhooks, control and reading back, and one for
// each push service with HTTP/2 over TLS, because the two announce different numbers
// of streams. Keys, certificate authority and service account are written into a
// folder, and made once: a sandbox that is started again in the same folder accepts
// the same configuration. See [Credentials].
//
// # Control and reading back
//
//	POST   /hooks/{name}    a customer's webhook; both signatures are checked
//	GET    /notifications   accepted pushes; device=, provider=, since=, limit=, shown=true
//	GET    /webhooks        webhook calls, refused ones too; hook=, since=, limit=
//	GET    /stream          both, live: a JSON object a line, or server-sent events
//	GET    /stats           exact counters, whatever was forgotten
//	GET, POST, DELETE /failures
//	DELETE /notifications   forget everything that arrived, counters too
//
// What arrived is kept in a ring of bounded length ([Config].Keep); counters are
// exact. With [Config].CountOnly nothing is kept and payloads are not looked into,
// which is what benchmarks want; [Config].CountIDs then still tells how often each
// notification came.
//
// A Server is safe for concurrent use.
package sandbox
