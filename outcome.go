package chatbell

// Outcome is how a delivery ended. The list is closed.
type Outcome string

// The outcomes.
const (
	Accepted   Outcome = "accepted"
	Suppressed Outcome = "suppressed"
	Failed     Outcome = "failed"
	Expired    Outcome = "expired"
	Cancelled  Outcome = "cancelled"
)

// Outcomes lists every outcome.
var Outcomes = [...]Outcome{Accepted, Suppressed, Failed, Expired, Cancelled}

// Level is where a suppression was decided. The list is closed; empty means that
// no level decided (the actor, a failure).
type Level string

// The levels.
const (
	LevelNetwork Level = "network"
	LevelUser    Level = "user"
	LevelChannel Level = "channel"
	LevelRule    Level = "rule"
	LevelDevice  Level = "device"
)

// Levels lists every level.
var Levels = [...]Level{LevelNetwork, LevelUser, LevelChannel, LevelRule, LevelDevice}

// Reason is why something was not sent, or why it failed. The list is closed, and
// empty means accepted.
type Reason string

// The reasons.
const (
	NetworkOff       Reason = "network_off"
	UserOff          Reason = "user_off"
	ModuleOff        Reason = "module_off"
	EventOff         Reason = "event_off"
	ChannelOff       Reason = "channel_off"
	RoleFiltered     Reason = "role_filtered"
	ModeIsSilent     Reason = "mode_silent"
	NotSubscribed    Reason = "not_subscribed"
	MentionsOnly     Reason = "mentions_only"
	Snoozed          Reason = "snoozed"
	InQuietHours     Reason = "quiet_hours"
	Self             Reason = "self"
	OwnMessage       Reason = "own_message"
	ShouldPushFalse  Reason = "should_push_false"
	NotAMember       Reason = "not_a_member"
	NoDevice         Reason = "no_device"
	NoTimezone       Reason = "no_timezone"
	RateLimited      Reason = "rate_limited"
	RuleDropped      Reason = "rule_dropped"
	PrehookDenied    Reason = "prehook_denied"
	Unregistered     Reason = "unregistered"
	InvalidToken     Reason = "invalid_token"
	Auth             Reason = "auth"
	PayloadTooLarge  Reason = "payload_too_large"
	Timeout          Reason = "timeout"
	Unavailable      Reason = "unavailable"
	Rejected         Reason = "rejected"
	EndpointDisabled Reason = "endpoint_disabled"
	BlockedAddress   Reason = "blocked_address"
	ExpiredReason    Reason = "expired"
	CancelledReason  Reason = "cancelled"
	Other            Reason = "other"
)

// Reasons lists every reason.
var Reasons = [...]Reason{
	NetworkOff, UserOff, ModuleOff, EventOff, ChannelOff, RoleFiltered, ModeIsSilent, NotSubscribed,
	MentionsOnly, Snoozed, InQuietHours, Self, OwnMessage, ShouldPushFalse, NotAMember, NoDevice, NoTimezone,
	RateLimited, RuleDropped, PrehookDenied, Unregistered, InvalidToken, Auth, PayloadTooLarge, Timeout,
	Unavailable, Rejected, EndpointDisabled, BlockedAddress, ExpiredReason, CancelledReason, Other,
}

// TargetKind is what a delivery went to.
type TargetKind string

// The kinds of target.
const (
	TargetAPNs    TargetKind = "apns"
	TargetFCM     TargetKind = "fcm"
	TargetWebPush TargetKind = "webpush"
	TargetHMS     TargetKind = "hms"
	TargetWebhook TargetKind = "webhook"
	TargetHTTP    TargetKind = "http"
	TargetNone    TargetKind = "none"
)

// TargetKinds lists every kind of target.
var TargetKinds = [...]TargetKind{TargetAPNs, TargetFCM, TargetWebPush, TargetHMS, TargetWebhook, TargetHTTP, TargetNone}

// Source is where a delivery came from.
type Source string

// The sources.
const (
	SourceEvent      Source = "event"
	SourceAPI        Source = "api"
	SourceCentrifugo Source = "centrifugo"
	SourceXMTP       Source = "xmtp"
)
