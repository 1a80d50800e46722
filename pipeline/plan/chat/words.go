package chat

import (
	"chatbell"
	"chatbell/rules"
	"chatbell/templates"
)

// words are the names that go into a trigger's template. What has no name is called by
// its id.
func words(e *chatbell.Event, t *rules.Trigger, channel chatbell.Channel) templates.Input {
	in := templates.Input{
		Actor:   templates.Name(e.Actor.Name, string(e.Actor.ID)),
		Channel: templates.Name(channel.Name, string(channel.ID)),
		Count:   len(t.Subjects),
	}
	if len(t.Subjects) > 0 {
		in.Subject = templates.Name(t.Subjects[0].Name, string(t.Subjects[0].ID))
	}
	if e.Message != nil {
		in.Text = e.Message.Text
	}
	return in
}

// templateName is the template of a trigger: a message's depends on what it is, a
// joiner's on whether one or many joined.
func templateName(e *chatbell.Event, t *rules.Trigger) string {
	switch {
	case t.Rule.Template == templates.ChannelJoined && len(t.Subjects) > 1:
		return templates.ChannelJoinedMany
	case t.Rule.Template != "message" || e.Message == nil:
		return t.Rule.Template
	case e.Message.Type == chatbell.MessageText:
		return templates.MessageText
	case e.Message.Type == chatbell.MessageImage:
		return templates.MessageImage
	default:
		return templates.MessageOther
	}
}
