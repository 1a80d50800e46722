package chatbell

import "time"

// Notification is what all targets of one page of work share: one event, about one
// subject, in the words of one rule. Who is told stands in the work's targets.
type Notification struct {
	Network    NetworkID `json:"network"`
	EventID    EventID   `json:"event_id"`
	EventType  EventType `json:"event_type"`
	ChannelID  ChannelID `json:"channel_id,omitempty"`
	Rule       RuleID    `json:"rule"`
	Template   string    `json:"template,omitempty"`
	SubjectID  string    `json:"subject_id,omitempty"`
	Source     Source    `json:"source"`
	EventTime  time.Time `json:"event_time"`
	AcceptedAt time.Time `json:"accepted_at"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	CollapseID string    `json:"collapse_id,omitempty"`
	// TraceParent is the W3C traceparent of the request that brought the event, or empty.
	TraceParent string `json:"traceparent,omitempty"`
}

// Text is a rendered notification in one language.
type Text struct {
	Locale string `json:"locale"`
	Title  string `json:"title"`
	Body   string `json:"body"`
}

// Delivery is the whole life of one notification at one target: a row of the
// ClickHouse table deliveries, written once, when the outcome is final. Its tags describe
// the columns, there and in docs/columns.md.
type Delivery struct {
	Network        NetworkID  `json:"network" description:"The customer's network."`
	EventID        EventID    `json:"event_id" description:"The event that it came from, by the id that the backend gave it or the server made; for a push of the customer's own, the push's id."`
	EventType      EventType  `json:"event_type" description:"What happened: a built-in type such as message.created, or one of the network's own."`
	ChannelID      ChannelID  `json:"channel_id,omitempty" description:"Where it happened; empty for what happened in no channel."`
	UserID         UserID     `json:"user_id,omitempty" description:"Who was to be told."`
	DeviceID       DeviceID   `json:"device_id,omitempty" description:"The device; empty for a user without one, and where it was suppressed before devices were looked at."`
	DeliveryID     UUID       `json:"delivery_id" description:"The same for the same notification and target, whatever is tried again or replayed; unique together with replay."`
	Target         TargetKind `json:"target" description:"What it went to: apns, fcm, webpush, hms, webhook, http; none where nothing was to be sent to anything."`
	Platform       Platform   `json:"platform,omitempty" description:"The device's: ios, android or web."`
	App            string     `json:"app,omitempty" description:"The app in which the device is registered."`
	Locale         string     `json:"locale,omitempty" description:"The language of the text, a BCP 47 tag."`
	Template       string     `json:"template,omitempty" description:"The template that gave the text."`
	Endpoint       EndpointID `json:"endpoint,omitempty" description:"The webhook's id; in webhook mode there is a row for each user told and each endpoint."`
	SubjectID      string     `json:"subject_id,omitempty" description:"Whom or what it is about when one event is about several, such as who joined; else empty."`
	Replay         uint32     `json:"replay,omitempty" description:"0 in its normal life; a replay on request counts up."`
	Outcome        Outcome    `json:"outcome" description:"How it ended: accepted, suppressed, failed, expired or cancelled."`
	Level          Level      `json:"level,omitempty" description:"Where a suppression was decided: network, user, channel, rule or device; empty for what no level decided."`
	Reason         Reason     `json:"reason,omitempty" description:"Why it was not sent, or why it failed, one of a closed list (docs/reasons.md); empty when accepted."`
	Attempts       uint32     `json:"attempts,omitempty" description:"How often it was tried; each try is a row of attempts."`
	ProviderID     string     `json:"provider_id,omitempty" description:"The provider's own id of the notification."`
	ProviderStatus uint16     `json:"provider_status,omitempty" description:"The provider's last HTTP status; 0 without an answer."`
	ProviderReason string     `json:"provider_reason,omitempty" description:"The provider's last word in its own terms, or why no answer came."`
	EventTime      time.Time  `json:"event_time" description:"When it happened, as the backend says."`
	AcceptedAt     time.Time  `json:"accepted_at" description:"When the event was accepted. The table is partitioned and aged by it."`
	FinishedAt     time.Time  `json:"finished_at" description:"When the outcome was final."`
	LatencyMS      uint32     `json:"latency_ms,omitempty" description:"Milliseconds from accepting the event to the provider's acceptance; 0 unless accepted."`
	Source         Source     `json:"source" description:"Where it came from: event, api, centrifugo or xmtp."`
}

// Attempt is one try of a delivery: a row of the ClickHouse table attempts, described as
// those of Delivery are.
type Attempt struct {
	Network        NetworkID  `json:"network" description:"The customer's network."`
	EventID        EventID    `json:"event_id" description:"The event that it came from."`
	DeliveryID     UUID       `json:"delivery_id" description:"The delivery that was tried. Calls with a raw event have rows here only."`
	UserID         UserID     `json:"user_id,omitempty" description:"Who was to be told; empty for a call with a raw event."`
	DeviceID       DeviceID   `json:"device_id,omitempty" description:"The device; empty for webhooks."`
	Target         TargetKind `json:"target" description:"What it went to: apns, fcm, webpush, hms, webhook or http."`
	Endpoint       EndpointID `json:"endpoint,omitempty" description:"The webhook's id; empty for devices."`
	Number         uint32     `json:"number" description:"Which try of the delivery it was, from 1."`
	At             time.Time  `json:"at" description:"When the try began. The table is partitioned and aged by it."`
	DurationMS     uint32     `json:"duration_ms" description:"Milliseconds that the try took."`
	Outcome        Outcome    `json:"outcome" description:"accepted or failed."`
	Reason         Reason     `json:"reason,omitempty" description:"Why it failed, one of a closed list (docs/reasons.md); empty when accepted."`
	WillRetry      bool       `json:"will_retry,omitempty" description:"Whether it is tried again."`
	MaybeRepeat    bool       `json:"maybe_repeat,omitempty" description:"Whether the fate of an earlier try is unknown, so that this one may repeat it."`
	ProviderID     string     `json:"provider_id,omitempty" description:"The provider's own id of the notification."`
	ProviderStatus uint16     `json:"provider_status,omitempty" description:"The provider's HTTP status; 0 without an answer."`
	ProviderReason string     `json:"provider_reason,omitempty" description:"The provider's word in its own terms, or why no answer came."`
}

// AcceptedEvent is a row of the ClickHouse table events: one for each event that
// was accepted, whether or not anybody was told. It is described as Delivery is.
type AcceptedEvent struct {
	Network    NetworkID `json:"network" description:"The customer's network."`
	EventID    EventID   `json:"event_id" description:"The event's id, given by the backend or made by the server."`
	EventType  EventType `json:"event_type" description:"What happened: a built-in type such as message.created, or one of the network's own."`
	ChannelID  ChannelID `json:"channel_id,omitempty" description:"Where it happened; empty for what happened in no channel."`
	ActorID    UserID    `json:"actor_id,omitempty" description:"Who did it."`
	EventTime  time.Time `json:"event_time" description:"When it happened, as the backend says."`
	AcceptedAt time.Time `json:"accepted_at" description:"When the event was accepted. The table is partitioned and aged by it."`
	Source     Source    `json:"source" description:"Where it came from: event, api, centrifugo or xmtp."`
	Audience   uint32    `json:"audience" description:"How many people the event's rules were asked about."`
}
