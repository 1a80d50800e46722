package pipeline

import (
	"cmp"

	"chatbell"
	"chatbell/rules"
	"chatbell/templates"
)

// words picks the template of a trigger and the names that go into it. What has no
// name is called by its id.
func words(e *chatbell.Event, t *rules.Trigger, actor chatbell.Person, channel chatbell.Channel) (string, templates.Input) {
	in := templates.Input{
		Actor:   cmp.Or(actor.Name, string(actor.ID)),
		Channel: cmp.Or(channel.Name, string(channel.ID)),
		Count:   len(t.Subjects),
	}
	if len(t.Subjects) > 0 {
		in.Subject = cmp.Or(t.Subjects[0].Name, string(t.Subjects[0].ID))
	}
	if e.Message != nil {
		in.Text = e.Message.Text
	}
	return templates.Name(t.Rule.Template, e), in
}
