package chatbell

// Recipient is one person whom an event may concern, with everything that the
// decision and the delivery need, read in one go.
type Recipient struct {
	User User
	// Member is false for people who were named by id but are not in the channel.
	Member bool
	// Settings and ChannelSettings are nil where the user never set any.
	Settings        *UserSettings
	ChannelSettings *ChannelSettings
	// Devices holds the user's usable devices, disabled ones left out.
	Devices []Device
}

// AudienceQuery asks for one page of a channel's members, in the order of their ids.
type AudienceQuery struct {
	Network NetworkID
	Channel ChannelID
	// After is the last user id of the page before; empty starts at the beginning.
	After UserID
	// Limit bounds the page, in people.
	Limit int
	// JoinedBefore leaves out who became a member by the event with this broker
	// sequence or a later one; 0 leaves out nobody.
	JoinedBefore uint64
}
