package plan

import (
	"chatbell"
	"chatbell/pipeline/work"
)

// callGroup is who can be named in the same webhook calls: the same words to the same
// endpoint.
type callGroup struct {
	Endpoint chatbell.EndpointID
	Rule     chatbell.RuleID
	Subject  string
	Locale   string
}

func groupOf(b *work.Batch) callGroup {
	return callGroup{
		Endpoint: b.Destination.Endpoint,
		Rule:     b.Notification.Rule,
		Subject:  b.Notification.SubjectID,
		Locale:   b.Texts[0].Locale,
	}
}

// isCall reports whether a batch is a webhook call about a notification. Such calls are
// merged, because a customer gets no more of them than it must, and numbered.
func isCall(b *work.Batch) bool { return b.Call != nil && !b.IsRaw() }

// calls merges the webhook calls of a request and numbers them. Feed it all of the calls
// in order, or with totals a part at a time.
type calls struct {
	order []callGroup
	open  map[callGroup]*openCall
}

type openCall struct {
	batch *work.Batch
	page  int
	pages int
}

func newCalls() *calls { return &calls{open: map[callGroup]*openCall{}} }

// pagesOf is how many calls name n people.
func pagesOf(n int) int { return (n + work.MaxCallTargets - 1) / work.MaxCallTargets }

// expect says how many people a group will have in all.
func (c *calls) expect(g callGroup, people int) {
	c.open[g] = &openCall{pages: pagesOf(people)}
	c.order = append(c.order, g)
}

// add takes a call in, and returns the calls that it filled.
func (c *calls) add(b *work.Batch) []*work.Batch {
	var full []*work.Batch
	call := c.open[groupOf(b)]
	rest := b.Targets
	for len(rest) > 0 {
		if call.batch == nil {
			call.batch = call.begin(b)
		}
		n := min(len(rest), work.MaxCallTargets-len(call.batch.Targets))
		call.batch.Targets = append(call.batch.Targets, rest[:n]...)
		rest = rest[n:]
		if len(call.batch.Targets) == work.MaxCallTargets {
			full = append(full, call.batch)
			call.batch = nil
		}
	}
	return full
}

// begin opens the next call of a group.
func (o *openCall) begin(like *work.Batch) *work.Batch {
	o.page++
	b := *like
	b.Targets = nil
	b.Call = &work.Call{Event: like.Call.Event, Page: o.page, Pages: o.pages}
	return &b
}

// rest returns the calls that are not full.
func (c *calls) rest() []*work.Batch {
	var out []*work.Batch
	for _, group := range c.order {
		if b := c.open[group].batch; b != nil {
			out = append(out, b)
		}
	}
	return out
}

// number merges and numbers the calls among batches, which are all of a request; other
// batches stay as they are and come first.
func number(batches []*work.Batch) []*work.Batch {
	var out []*work.Batch
	var merge []*work.Batch
	people := map[callGroup]int{}
	var order []callGroup
	for _, b := range batches {
		if !isCall(b) {
			out = append(out, b)
			continue
		}
		group := groupOf(b)
		if people[group] == 0 {
			order = append(order, group)
		}
		people[group] += len(b.Targets)
		merge = append(merge, b)
	}
	merged := newCalls()
	for _, g := range order {
		merged.expect(g, people[g])
	}
	for _, b := range merge {
		out = append(out, merged.add(b)...)
	}
	return append(out, merged.rest()...)
}
