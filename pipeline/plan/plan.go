// Package plan turns accepted requests into decided work.
//
// A request has a kind, and each kind a [Planner], which gives the request's work page by
// page, each page repeatable from its [Cursor]. [Stage] takes any planner: what is small
// goes straight to its destinations, one durable hop for a one-to-one message; what is
// large is written to the streams page by page, with a checkpoint after each, so that
// memory stays bounded and a crash repeats one page at most.
//
// A new kind of request is a Planner and an entry in the pipeline's list of them. A
// decorator around a Planner can change or stop a page before anything of it is sent.
package plan

import (
	"context"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// Request is what was accepted and is to be worked off.
type Request struct {
	// ID is unique among all requests: it names the request's checkpoint.
	ID string
	// Payload is the request in the form of its kind.
	Payload []byte
	// Sequence is the request's place among all that were accepted.
	Sequence uint64
	// Redelivery says whether the request may have been handed out before.
	Redelivery jetstream.Redelivery
}

// Planner turns requests of one kind into plans. Safe for concurrent use.
type Planner interface {
	// Open reads a request, applies what it changes (a repeat changes nothing) and reads
	// what all its pages share. An error that no redelivery can help is work.Permanent.
	Open(ctx context.Context, req *Request) (Plan, error)
}

// Plan is one request on its way into pages. Not safe for concurrent use.
type Plan interface {
	// Network is whose request it is.
	Network() *work.Network
	// Key is the ordering key of the request's work.
	Key() string
	// Page decides the page that begins at the cursor. The same cursor gives the same page
	// as long as nobody changes what the decision depends on.
	Page(ctx context.Context, from Cursor) (*Page, error)
	// Row is the request's own row, with how many people it asked about.
	Row(audience uint32) chatbell.AcceptedEvent
}

// Cursor is where a page begins, in the planner's own form. Empty is the first page.
type Cursor string

// Page is decided work.
type Page struct {
	// Rows are those of who is not told.
	Rows []chatbell.Delivery
	// Batches are the work for those who are, in the order in which it is to be sent.
	// Webhook calls are merged and numbered, and all of them sealed, by the stage.
	Batches []*work.Batch
	// People is how many were asked about.
	People uint32
	// Next is where the next page begins; meaningless where this is the last.
	Next Cursor
	// Last says that there is no other page.
	Last bool
}

// targets counts whom the page is sent to.
func (p *Page) targets() int {
	n := 0
	for _, b := range p.Batches {
		if !b.IsRaw() {
			n += len(b.Targets)
		}
	}
	return n
}
