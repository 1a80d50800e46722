package chat

import (
	"chatbell"
	"chatbell/rules"
	"chatbell/templates"
)

// words are the names that go into a trigger's template. What has no name is called by
// its id.
func words(about *chatbell.Event, t *rules.Trigger, channel chatbell.Channel) templates.Input {
	input := templates.Input{
		Actor:   templates.Name(about.Actor.Name, string(about.Actor.ID)),
		Channel: templates.Name(channel.Name, string(channel.ID)),
		Count:   len(t.Subjects),
	}
	if len(t.Subjects) > 0 {
		input.Subject = templates.Name(t.Subjects[0].Name, string(t.Subjects[0].ID))
	}
	if about.Message != nil {
		input.Text = about.Message.Text
	}
	return input
}

// templateName is the template of a trigger: a message's depends on what it is, a
// joiner's on whether one or many joined.
func templateName(about *chatbell.Event, t *rules.Trigger) string {
	switch {
	case t.Rule.Template == templates.ChannelJoined && len(t.Subjects) > 1:
		return templates.ChannelJoinedMany
	case t.Rule.Template != "message" || about.Message == nil:
		return t.Rule.Template
	case about.Message.Type == chatbell.MessageText:
		return templates.MessageText
	case about.Message.Type == chatbell.MessageImage:
		return templates.MessageImage
	default:
		return templates.MessageOther
	}
}
