package rules

import "chatbell"

// Trigger is one rule that an event set off, about one subject.
type Trigger struct {
	Rule Rule
	// SubjectID is whom it is about where one event is about several; else empty.
	SubjectID string
	// Subjects are the people it is about: one of those who joined or left, or, in a
	// summary, all of them.
	Subjects []chatbell.Person
	// newcomers are all who joined by the event, whoever this trigger is about; nil
	// where the rule does not ask who was there before.
	newcomers map[chatbell.UserID]struct{}
}

// maxSubjects is above how many people who joined at once one summary is sent
// instead of one notification for each.
const maxSubjects = 20

// Match returns the event's triggers, in the order of the rules. An event that is
// about people (somebody joined, somebody left) gives one trigger for each of them,
// or one summary of all above 20; one that names nobody gives none.
func (rs *Ruleset) Match(event *chatbell.Event) []Trigger {
	rules := rs.on[event.Type]
	if len(rules) == 0 {
		return nil
	}
	out := make([]Trigger, 0, len(rules))
	if !aboutMembers(event.Type) {
		for _, one := range rules {
			out = append(out, Trigger{Rule: one, Subjects: user(event)})
		}
		return out
	}
	people, ids := unique(event.Members)
	for _, rule := range rules {
		t := Trigger{Rule: rule}
		if rule.Audience == PriorMembers && event.Type == chatbell.ChannelJoined {
			t.newcomers = ids
		}
		if len(people) > maxSubjects {
			t.Subjects = people
			out = append(out, t)
			continue
		}
		for i := range people {
			t.SubjectID = string(people[i].ID)
			t.Subjects = people[i : i+1 : i+1]
			out = append(out, t)
		}
	}
	return out
}

// aboutMembers reports whether the event's list of members is what it is about.
// That of channel.created is not: it is whom the event is told to.
func aboutMembers(t chatbell.EventType) bool {
	return t == chatbell.ChannelJoined || t == chatbell.ChannelLeft
}

// user is whom an event about one user is about.
func user(ev *chatbell.Event) []chatbell.Person {
	if ev.User == nil {
		return nil
	}
	return []chatbell.Person{*ev.User}
}

// unique keeps the first mention of each person, in order.
func unique(people []chatbell.Person) ([]chatbell.Person, map[chatbell.UserID]struct{}) {
	ids := make(map[chatbell.UserID]struct{}, len(people))
	out := make([]chatbell.Person, 0, len(people))
	for i := range people {
		if _, seen := ids[people[i].ID]; seen || people[i].ID == "" {
			continue
		}
		ids[people[i].ID] = struct{}{}
		out = append(out, people[i])
	}
	return out, ids
}

// Excludes reports whether a person is no part of the trigger's audience because
// they joined by the event itself: they were not there before.
func (t *Trigger) Excludes(u chatbell.UserID) bool {
	_, joined := t.newcomers[u]
	return joined
}
