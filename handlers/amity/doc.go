// Package amity is a surface for apps and backends that were written for Amity
// (social.plus): devices are registered as Amity's SDKs do it, settings have Amity's three
// levels, and Amity's webhooks come in as events. Bodies, names and errors are Amity's on
// the wire; behind it are the same devices, settings and events as behind chatbell's own
// API, so that both may be used side by side.
//
// docs/amity.md says what maps to what, and what differs. The package declares what it
// needs of the rest as small interfaces; New puts them together into an http.Handler that
// is safe for concurrent use.
package amity
