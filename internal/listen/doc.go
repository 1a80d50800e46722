// Package listen stands between strangers and a server. A [Limiter] bounds the
// connections of a process, so that nobody who merely holds them keeps others out or
// takes the descriptors of the broker and the store; [Strict] refuses requests whose
// end two programs could see in different places (request smuggling); a [Throttle]
// counts and slows wrong keys and passwords.
//
// An address is an IPv4 address, or an IPv6 /64: who has one address of those has all
// of them. Behind a proxy everybody has the proxy's address, and no header that a
// caller could write himself is believed. So nothing here refuses an address for what
// comes from it: it only says who goes first when there is no room, and a right key
// goes before every address.
//
// All methods may be called at any time from any goroutine.
package listen
