package chatbell

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

// ReasonDoc is what a reason means and what would have to change, for the people who meet
// it. docs/reasons.md is made from these.
type ReasonDoc struct {
	Reason Reason
	// Outcome is how a delivery ends that has it.
	Outcome Outcome
	// Means and Mend are a sentence each.
	Means, Mend string
	// Later says that nothing in this build gives it.
	Later bool
}

// ReasonDocs are all reasons in the order in which they are asked: the toggles, what a
// notification needs, the provider's answers, the end of its time.
var ReasonDocs = [...]ReasonDoc{
	{Reason: Self, Outcome: Suppressed, Means: "The person did it themselves.", Mend: "Nothing: nobody is told what they did."},
	{Reason: OwnMessage, Outcome: Suppressed, Means: "The message came from an installation of the same person.", Mend: "Nothing: nobody is told what they did.", Later: true},
	{Reason: ShouldPushFalse, Outcome: Suppressed, Means: "The sender's app marked the message as one that rings no phone.", Mend: "Let the app mark it otherwise.", Later: true},
	{
		Reason: NotAMember, Outcome: Suppressed, Means: "The event names the person (a mention, a list), who is not in the channel.",
		Mend: "Add the person: with channel.joined, or PUT /v1/channels/{channel}/members/{user}.",
	},
	{Reason: NetworkOff, Outcome: Suppressed, Means: "The network has notifications switched off.", Mend: "Set enabled to true in PUT /v1/settings/network."},
	{Reason: UserOff, Outcome: Suppressed, Means: "The person has notifications switched off.", Mend: "The person switches them on: enabled in their settings."},
	{Reason: ModuleOff, Outcome: Suppressed, Means: "The rule's module (chat, unless it names another) is switched off at the level in the column level.", Mend: "Set enabled of the module to true at that level."},
	{Reason: EventOff, Outcome: Suppressed, Means: "The event's type is switched off at the level in the column level.", Mend: "Set enabled of the event to true at that level."},
	{
		Reason: RoleFiltered, Outcome: Suppressed, Means: "The module's roles at the level in the column level do not let the actor's roles through.",
		Mend: "Change include or exclude of the module there, or the roles that the actor has in the event.",
	},
	{Reason: Snoozed, Outcome: Suppressed, Means: "The person has paused notifications for a while.", Mend: "Nothing: it ends at snooze_until in their settings."},
	{Reason: InQuietHours, Outcome: Suppressed, Means: "It was within the person's quiet hours.", Mend: "If the hours look wrong, set their timezone; without one they count in UTC."},
	{Reason: ModeIsSilent, Outcome: Suppressed, Means: "The channel's notification_mode is silent, which nobody can override.", Mend: "Change the mode with PUT /v1/channels/{channel}."},
	{Reason: NotSubscribed, Outcome: Suppressed, Means: "The channel's notification_mode is subscribe, and the person did not switch the channel on.", Mend: "The person sets enabled to true for the channel, or the mode is changed to default."},
	{Reason: ChannelOff, Outcome: Suppressed, Means: "The person has switched this channel off.", Mend: "The person switches it on: enabled in their settings for the channel."},
	{Reason: MentionsOnly, Outcome: Suppressed, Means: "The person wants to hear of mentions only in this channel, and was not mentioned.", Mend: "The person sets mentions_only to false for the channel."},
	{Reason: RuleDropped, Outcome: Suppressed, Means: "A rule of the network is switched off, or its condition did not hold.", Mend: "Change the rule.", Later: true},
	{Reason: PrehookDenied, Outcome: Suppressed, Means: "The network's pre-hook said no.", Mend: "Ask whoever runs the pre-hook.", Later: true},
	{Reason: NoTimezone, Outcome: Suppressed, Means: "It was to be sent at a local time, and nobody knows the person's.", Mend: "Set the person's timezone with PUT /v1/users/{user}.", Later: true},
	{
		Reason: NoDevice, Outcome: Suppressed, Means: "The person has no device that can be told: none was registered, or all were removed or disabled.",
		Mend: "The app registers one at its next start: POST /v1/devices.",
	},
	{
		Reason: Unregistered, Outcome: Failed, Means: "The provider says that the app is gone from the device. The device was removed.",
		Mend: "Nothing: the app registers again when it is installed again.",
	},
	{
		Reason: InvalidToken, Outcome: Failed, Means: "The provider does not know the token, or not for this app or environment. The device is disabled until it registers again.",
		Mend: "If it is many at once, compare the app's bundle id and APNs endpoint (production or sandbox), or its Firebase project, with the credential's.",
	},
	{
		Reason: Auth, Outcome: Failed, Means: "The provider refuses the credential, or none is configured for the app; provider_reason says which.",
		Mend: "Replace or add the network's credential for this app.",
	},
	{Reason: PayloadTooLarge, Outcome: Failed, Means: "The notification is larger than the provider takes, even with its text cut.", Mend: "Put less into data; an endpoint raises its body limit."},
	{Reason: RateLimited, Outcome: Failed, Means: "The other side takes no more for now; it is tried again until its time is over.", Mend: "Send less to one device, or raise the limit at the provider or the endpoint."},
	{Reason: Timeout, Outcome: Failed, Means: "No answer came in time, the last time that it was tried.", Mend: "Look at the endpoint, or the way to the provider: answer first, work afterwards."},
	{Reason: Unavailable, Outcome: Failed, Means: "The other side could not be reached or was out of order, the last time that it was tried; or so much waited for it that the oldest was given up.", Mend: "Look at provider_reason and the endpoint's or the provider's state; a webhook can be sent again from the customer's own data."},
	{Reason: Rejected, Outcome: Failed, Means: "The other side refuses this notification, and says why in provider_status and provider_reason.", Mend: "Change what it complains about; an endpoint answers 2xx to what it took."},
	{Reason: EndpointDisabled, Outcome: Failed, Means: "The webhook's endpoint is switched off since it answered 410, or was taken out of the configuration.", Mend: "Once it is well, give the endpoint another URL or another id in the configuration: it counts as a new one."},
	{Reason: BlockedAddress, Outcome: Failed, Means: "The webhook's address is private or of this machine, which is refused.", Mend: "Use a public address, or list the network in allow_private_networks."},
	{Reason: ExpiredReason, Outcome: Expired, Means: "Its time was over before it could be sent: its own, or that of the retry schedule.", Mend: "See the reasons of its rows in attempts."},
	{Reason: CancelledReason, Outcome: Cancelled, Means: "It was taken back before it was sent; in attempts, the process stopped before the answer, and it is tried again.", Mend: "Nothing."},
	{Reason: Other, Outcome: Failed, Means: "Something that should not happen in chatbell.", Mend: "Look at provider_reason and the log, and report it."},
}

// Reasons lists every reason.
var Reasons = reasons()

func reasons() []Reason {
	out := make([]Reason, len(ReasonDocs))
	for i := range ReasonDocs {
		out[i] = ReasonDocs[i].Reason
	}
	return out
}
