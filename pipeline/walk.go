package pipeline

import (
	"context"
	"fmt"

	"chatbell"
	"chatbell/rules"
)

// walk reads a trigger's audience page by page. First come the people that the
// event names (once each), then, where the rule speaks to a channel's members, the
// members in the order of their ids.
type walk struct {
	state State
	query chatbell.AudienceQuery
	named []chatbell.UserID // looked up by id before the members
	keep  func(r *chatbell.Recipient) bool
	skip  map[chatbell.UserID]bool // members who were on the first page already
	all   bool

	page []chatbell.Recipient
	err  error
}

// walk starts the audience of a trigger after a user id; "" starts at the beginning.
func (m *matcher) walk(ev *matched, t *rules.Trigger, after chatbell.UserID) *walk {
	e := &ev.env.Event
	w := &walk{state: m.state, query: chatbell.AudienceQuery{
		Network: ev.env.Network, Channel: e.Channel.ID, After: after, Limit: m.pageLimit,
	}}
	isActor := func(id chatbell.UserID) bool { return id == e.Actor.ID }
	switch t.Rule.Audience {
	case rules.Listed:
		w.named = personIDs(e.Members)
		return w
	case rules.PriorMembers:
		// Whoever joined by this event or later was not there. The actor is asked about
		// all the same if a member by now, so that "why did I get nothing" has an answer.
		w.query.JoinedBefore = ev.sequence
		w.named, w.keep = []chatbell.UserID{e.Actor.ID}, func(r *chatbell.Recipient) bool { return r.Member }
	default:
		if e.Message != nil {
			// People who were mentioned but are no members get a row that says so.
			w.named = dedupe(e.Message.Mentions)
			w.keep = func(r *chatbell.Recipient) bool { return !r.Member && !isActor(r.User.ID) }
		}
	}
	w.all = true
	if t.Rule.Audience == rules.PriorMembers {
		w.skip = map[chatbell.UserID]bool{e.Actor.ID: true}
	}
	if after != "" {
		w.named = nil
	}
	return w
}

// next reads the next page that has somebody on it.
func (w *walk) next(ctx context.Context) bool {
	w.page = nil
	for len(w.page) == 0 {
		switch {
		case len(w.named) > 0:
			w.readNamed(ctx)
		case w.all:
			w.readMembers(ctx)
		default:
			return false
		}
		if w.err != nil {
			return false
		}
	}
	return true
}

func (w *walk) readNamed(ctx context.Context) {
	n := min(len(w.named), w.query.Limit)
	ids := w.named[:n]
	w.named = w.named[n:]
	people, err := w.state.Recipients(ctx, w.query.Network, w.query.Channel, ids)
	if err != nil {
		w.err = fmt.Errorf("read people named by the event: %w", err)
		return
	}
	w.page = filter(people, w.keep)
}

func (w *walk) readMembers(ctx context.Context) {
	members, err := w.state.Audience(ctx, w.query)
	if err != nil {
		w.err = fmt.Errorf("read channel members: %w", err)
		return
	}
	if len(members) < w.query.Limit {
		w.all = false
	}
	if len(members) > 0 {
		w.query.After = members[len(members)-1].User.ID
	}
	w.page = filter(members, func(r *chatbell.Recipient) bool { return !w.skip[r.User.ID] })
}

func filter(in []chatbell.Recipient, keep func(*chatbell.Recipient) bool) []chatbell.Recipient {
	if keep == nil {
		return in
	}
	out := in[:0]
	for i := range in {
		if keep(&in[i]) {
			out = append(out, in[i])
		}
	}
	return out
}

func personIDs(people []chatbell.Person) []chatbell.UserID {
	ids := make([]chatbell.UserID, len(people))
	for i := range people {
		ids[i] = people[i].ID
	}
	return dedupe(ids)
}

// dedupe keeps the first of each id: nobody is told twice.
func dedupe(ids []chatbell.UserID) []chatbell.UserID {
	seen := make(map[chatbell.UserID]bool, len(ids))
	out := make([]chatbell.UserID, 0, len(ids))
	for _, id := range ids {
		if id != "" && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
