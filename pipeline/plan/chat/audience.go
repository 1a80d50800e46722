package chat

import (
	"context"
	"fmt"

	"chatbell"
	"chatbell/rules"
)

// audience is whom some of an event's triggers speak to. Its pages hold first the people
// that the event names (once each), then, where the rule speaks to a channel's members,
// the members in the order of their ids. Triggers that follow each other and speak to the
// same people share one walk: it is read once for all of them.
type audience struct {
	first, end int // of the event's triggers
	rule       chatbell.RuleID

	query   chatbell.AudienceQuery
	named   []chatbell.UserID // looked up by id before the members
	keep    func(r *chatbell.Recipient) bool
	skip    chatbell.UserID // a member who is among those named
	members bool            // all members of the channel belong to it
}

// audiences groups the event's triggers by whom they speak to.
func (ev *event) audiences() []*audience {
	var out []*audience
	for i := range ev.triggers {
		rule := &ev.triggers[i].Rule
		if i > 0 && rule.Audience == ev.triggers[i-1].Rule.Audience {
			out[len(out)-1].end = i + 1
			continue
		}
		out = append(out, ev.audienceOf(i))
	}
	for _, aud := range out {
		// A page holds the work of all its triggers: so many people fewer are on it.
		aud.query.Limit = max(1, aud.query.Limit/(aud.end-aud.first))
	}
	return out
}

func (ev *event) audienceOf(trigger int) *audience {
	about := &ev.env.Event
	rule := &ev.triggers[trigger].Rule
	aud := &audience{
		first:   trigger,
		end:     trigger + 1,
		rule:    rule.ID,
		members: true,
		query:   chatbell.AudienceQuery{Network: ev.env.Network, Channel: about.Channel.ID, Limit: ev.cfg.PageLimit},
	}
	switch rule.Audience {
	case rules.Listed:
		aud.members = false
		aud.named = personIDs(about.Members)
	case rules.PriorMembers:
		// Whoever joined by this event or later was not there. The actor is asked about
		// all the same if a member by now, so that "why did I get nothing" has an answer.
		aud.query.JoinedBefore = ev.sequence
		aud.named = []chatbell.UserID{about.Actor.ID}
		aud.keep = func(r *chatbell.Recipient) bool { return r.Member }
		aud.skip = about.Actor.ID
	case rules.Members:
		if about.Message != nil {
			// People who were mentioned but are no members get a row that says so.
			aud.named = dedupe(about.Message.Mentions)
			aud.keep = func(r *chatbell.Recipient) bool { return !r.Member && r.User.ID != about.Actor.ID }
		}
	}
	return aud
}

// page reads the people from the cursor on and moves it behind them. It reports whether
// there may be more.
func (a *audience) page(ctx context.Context, state State, cur *cursor) ([]chatbell.Recipient, bool, error) {
	var out []chatbell.Recipient
	if cur.Named < len(a.named) {
		ids := a.named[cur.Named:]
		ids = ids[:min(len(ids), a.query.Limit)]
		people, err := state.Recipients(ctx, a.query.Network, a.query.Channel, ids)
		if err != nil {
			return nil, false, fmt.Errorf("read people named by the event: %w", err)
		}
		cur.Named += len(ids)
		out = filter(people, a.keep)
		if cur.Named < len(a.named) || len(out) == a.query.Limit {
			return out, cur.Named < len(a.named) || a.members, nil
		}
	}
	if !a.members {
		return out, false, nil
	}
	query := a.query
	query.After = cur.After
	query.Limit -= len(out)
	members, err := state.Audience(ctx, query)
	if err != nil {
		return nil, false, fmt.Errorf("read channel members: %w", err)
	}
	if len(members) == 0 {
		return out, false, nil
	}
	cur.After = members[len(members)-1].User.ID
	more := len(members) == query.Limit
	if a.skip != "" {
		members = filter(members, func(r *chatbell.Recipient) bool { return r.User.ID != a.skip })
	}
	if out == nil {
		return members, more, nil
	}
	return append(out, members...), more, nil
}

func filter(people []chatbell.Recipient, keep func(*chatbell.Recipient) bool) []chatbell.Recipient {
	if keep == nil {
		return people
	}
	out := people[:0]
	for i := range people {
		if keep(&people[i]) {
			out = append(out, people[i])
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
