// Package push plans pushes of a customer's own: not what follows from an event, but what
// somebody asked to be sent, to devices that a filter chooses or to tokens.
//
// A [Request] holds the provider's own payloads, which are passed on as they are, or, as
// [Template], with a device's names and language in them. The walk through the devices goes
// page by page, in the order of their ids. Of the toggles only the network's counts: whoever
// pushes has decided whom to tell.
package push
