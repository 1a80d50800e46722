// Package front is where callers arrive: a port with all that stands between it and the
// handlers behind it. It answers from the moment in which the port is bound, it bounds
// everything that a caller could hold on to, it can be shared by several handlers, each
// mounted at its paths, and it ends by answering what is under way.
package front
