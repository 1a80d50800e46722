package rowcodec

import "chatbell"

// The fields of each row, in the order of their bits: for ever.

func delivery(c *coder, d, before *chatbell.Delivery) {
	text(c, &d.Network, &before.Network)
	text(c, &d.EventID, &before.EventID)
	text(c, &d.EventType, &before.EventType)
	text(c, &d.ChannelID, &before.ChannelID)
	text(c, &d.UserID, &before.UserID)
	text(c, &d.DeviceID, &before.DeviceID)
	text(c, &d.DeliveryID, &before.DeliveryID)
	text(c, &d.Target, &before.Target)
	text(c, &d.Platform, &before.Platform)
	text(c, &d.App, &before.App)
	text(c, &d.Locale, &before.Locale)
	text(c, &d.Template, &before.Template)
	text(c, &d.Endpoint, &before.Endpoint)
	text(c, &d.SubjectID, &before.SubjectID)
	number(c, &d.Replay, &before.Replay)
	text(c, &d.Outcome, &before.Outcome)
	text(c, &d.Level, &before.Level)
	text(c, &d.Reason, &before.Reason)
	number(c, &d.Attempts, &before.Attempts)
	text(c, &d.ProviderID, &before.ProviderID)
	number(c, &d.ProviderStatus, &before.ProviderStatus)
	text(c, &d.ProviderReason, &before.ProviderReason)
	moment(c, &d.EventTime, &before.EventTime)
	moment(c, &d.AcceptedAt, &before.AcceptedAt)
	moment(c, &d.FinishedAt, &before.FinishedAt)
	number(c, &d.LatencyMS, &before.LatencyMS)
	text(c, &d.Source, &before.Source)
}

func attempt(c *coder, a, before *chatbell.Attempt) {
	text(c, &a.Network, &before.Network)
	text(c, &a.EventID, &before.EventID)
	text(c, &a.DeliveryID, &before.DeliveryID)
	text(c, &a.UserID, &before.UserID)
	text(c, &a.DeviceID, &before.DeviceID)
	text(c, &a.Target, &before.Target)
	text(c, &a.Endpoint, &before.Endpoint)
	number(c, &a.Number, &before.Number)
	moment(c, &a.At, &before.At)
	number(c, &a.DurationMS, &before.DurationMS)
	text(c, &a.Outcome, &before.Outcome)
	text(c, &a.Reason, &before.Reason)
	truth(c, &a.WillRetry)
	truth(c, &a.MaybeRepeat)
	text(c, &a.ProviderID, &before.ProviderID)
	number(c, &a.ProviderStatus, &before.ProviderStatus)
	text(c, &a.ProviderReason, &before.ProviderReason)
}

func event(c *coder, e, before *chatbell.AcceptedEvent) {
	text(c, &e.Network, &before.Network)
	text(c, &e.EventID, &before.EventID)
	text(c, &e.EventType, &before.EventType)
	text(c, &e.ChannelID, &before.ChannelID)
	text(c, &e.ActorID, &before.ActorID)
	moment(c, &e.EventTime, &before.EventTime)
	moment(c, &e.AcceptedAt, &before.AcceptedAt)
	text(c, &e.Source, &before.Source)
	number(c, &e.Audience, &before.Audience)
}
