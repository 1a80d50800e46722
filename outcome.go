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
