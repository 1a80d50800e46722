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
// ClickHouse table deliveries, written once, when the outcome is final.
type Delivery struct {
	Network        NetworkID  `json:"network"`
	EventID        EventID    `json:"event_id"`
	EventType      EventType  `json:"event_type"`
	ChannelID      ChannelID  `json:"channel_id,omitempty"`
	UserID         UserID     `json:"user_id,omitempty"`
	DeviceID       DeviceID   `json:"device_id,omitempty"`
	DeliveryID     UUID       `json:"delivery_id"`
	Target         TargetKind `json:"target"`
	Platform       Platform   `json:"platform,omitempty"`
	App            string     `json:"app,omitempty"`
	Locale         string     `json:"locale,omitempty"`
	Template       string     `json:"template,omitempty"`
	Endpoint       EndpointID `json:"endpoint,omitempty"`
	SubjectID      string     `json:"subject_id,omitempty"`
	Replay         uint32     `json:"replay,omitempty"`
	Outcome        Outcome    `json:"outcome"`
	Level          Level      `json:"level,omitempty"`
	Reason         Reason     `json:"reason,omitempty"`
	Attempts       uint32     `json:"attempts,omitempty"`
	ProviderID     string     `json:"provider_id,omitempty"`
	ProviderStatus uint16     `json:"provider_status,omitempty"`
	ProviderReason string     `json:"provider_reason,omitempty"`
	EventTime      time.Time  `json:"event_time"`
	AcceptedAt     time.Time  `json:"accepted_at"`
	FinishedAt     time.Time  `json:"finished_at"`
	// LatencyMS is the time from accepting the event to the provider's acceptance, in
	// milliseconds; 0 unless accepted.
	LatencyMS uint32 `json:"latency_ms,omitempty"`
	Source    Source `json:"source"`
}

// Attempt is one try of a delivery: a row of the ClickHouse table attempts.
type Attempt struct {
	Network        NetworkID  `json:"network"`
	EventID        EventID    `json:"event_id"`
	DeliveryID     UUID       `json:"delivery_id"`
	UserID         UserID     `json:"user_id,omitempty"`
	DeviceID       DeviceID   `json:"device_id,omitempty"`
	Target         TargetKind `json:"target"`
	Endpoint       EndpointID `json:"endpoint,omitempty"`
	Number         uint32     `json:"number"` // from 1
	At             time.Time  `json:"at"`
	DurationMS     uint32     `json:"duration_ms"`
	Outcome        Outcome    `json:"outcome"` // accepted or failed
	Reason         Reason     `json:"reason,omitempty"`
	WillRetry      bool       `json:"will_retry,omitempty"`
	MaybeRepeat    bool       `json:"maybe_repeat,omitempty"` // the fate of an earlier try is unknown
	ProviderID     string     `json:"provider_id,omitempty"`
	ProviderStatus uint16     `json:"provider_status,omitempty"`
	ProviderReason string     `json:"provider_reason,omitempty"`
}

// AcceptedEvent is a row of the ClickHouse table events: one for each event that
// was accepted, whether or not anybody was told.
type AcceptedEvent struct {
	Network    NetworkID `json:"network"`
	EventID    EventID   `json:"event_id"`
	EventType  EventType `json:"event_type"`
	ChannelID  ChannelID `json:"channel_id,omitempty"`
	ActorID    UserID    `json:"actor_id,omitempty"`
	EventTime  time.Time `json:"event_time"`
	AcceptedAt time.Time `json:"accepted_at"`
	Source     Source    `json:"source"`
	// Audience is how many people the event's rules were asked about.
	Audience uint32 `json:"audience"`
}
