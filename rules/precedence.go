package rules

import "chatbell"

// Precedence lists every way not to be told, first the one that wins when several
// apply. [Decide] gives all but the last four, which need more than settings and are
// given by whoever finds out, in this order: a rule's condition, the network's
// pre-hook, a rate limit, and people without a device.
func Precedence() []Decision {
	return []Decision{
		{Reason: chatbell.Self},
		{Reason: chatbell.NotAMember},

		{Level: chatbell.LevelNetwork, Reason: chatbell.NetworkOff},
		{Level: chatbell.LevelNetwork, Reason: chatbell.ModuleOff},
		{Level: chatbell.LevelNetwork, Reason: chatbell.EventOff},
		{Level: chatbell.LevelNetwork, Reason: chatbell.RoleFiltered},

		{Level: chatbell.LevelUser, Reason: chatbell.UserOff},
		{Level: chatbell.LevelUser, Reason: chatbell.ModuleOff},
		{Level: chatbell.LevelUser, Reason: chatbell.EventOff},
		{Level: chatbell.LevelUser, Reason: chatbell.RoleFiltered},
		{Level: chatbell.LevelUser, Reason: chatbell.Snoozed},
		{Level: chatbell.LevelUser, Reason: chatbell.InQuietHours},

		{Level: chatbell.LevelChannel, Reason: chatbell.ModeIsSilent},
		{Level: chatbell.LevelChannel, Reason: chatbell.NotSubscribed},
		{Level: chatbell.LevelChannel, Reason: chatbell.ChannelOff},
		{Level: chatbell.LevelChannel, Reason: chatbell.ModuleOff},
		{Level: chatbell.LevelChannel, Reason: chatbell.EventOff},
		{Level: chatbell.LevelChannel, Reason: chatbell.RoleFiltered},
		{Level: chatbell.LevelChannel, Reason: chatbell.MentionsOnly},

		{Level: chatbell.LevelRule, Reason: chatbell.RuleDropped},
		{Level: chatbell.LevelNetwork, Reason: chatbell.PrehookDenied},
		{Level: chatbell.LevelNetwork, Reason: chatbell.RateLimited},
		{Level: chatbell.LevelDevice, Reason: chatbell.NoDevice},
	}
}
