package native

import (
	"context"
	"iter"

	"chatbell"
	"chatbell/internal/store"
)

// State is what the state calls read and write. What does not exist is
// chatbell.ErrNotFound.
type State interface {
	Users
	Channels
	Members
	Devices
	Settings
}

// Users keeps the people of a network.
type Users interface {
	User(ctx context.Context, network chatbell.NetworkID, id chatbell.UserID) (chatbell.User, error)
	PutUser(ctx context.Context, network chatbell.NetworkID, u chatbell.User) error
	DeleteUser(ctx context.Context, network chatbell.NetworkID, id chatbell.UserID) error
}

// Channels keeps channels.
type Channels interface {
	Channel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) (chatbell.Channel, error)
	PutChannel(ctx context.Context, network chatbell.NetworkID, c chatbell.Channel) error
	DeleteChannel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) error
}

// Members keeps who is in the channels.
type Members interface {
	PutMember(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, m chatbell.Member) error
	DeleteMember(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, user chatbell.UserID) error
	Members(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, after chatbell.UserID, limit int) ([]chatbell.Member, error)
	ReplaceMembers(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, members iter.Seq2[chatbell.Member, error]) (int, error)
}

// Devices keeps push tokens.
type Devices interface {
	RegisterDevice(ctx context.Context, network chatbell.NetworkID, d chatbell.Device) (chatbell.Device, error)
	// RegisterOwnDevice takes no device that is another user's: that is [store.ErrTaken].
	RegisterOwnDevice(ctx context.Context, network chatbell.NetworkID, d chatbell.Device) (chatbell.Device, error)
	Device(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID) (chatbell.Device, error)
	Devices(ctx context.Context, network chatbell.NetworkID, f store.DeviceFilter) ([]chatbell.Device, error)
	DeleteDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, onlyIf chatbell.UserID) (bool, error)
}

// Settings keeps the toggles of the three levels.
type Settings interface {
	NetworkSettings(ctx context.Context, network chatbell.NetworkID) (chatbell.Toggles, error)
	PutNetworkSettings(ctx context.Context, network chatbell.NetworkID, t chatbell.Toggles) error
	UserSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID) (chatbell.UserSettings, error)
	PutUserSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, s chatbell.UserSettings) error
	ChannelSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, channel chatbell.ChannelID) (chatbell.ChannelSettings, error)
	PutChannelSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, channel chatbell.ChannelID, s chatbell.ChannelSettings) error
}
