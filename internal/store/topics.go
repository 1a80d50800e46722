package store

import (
	"errors"
	"time"

	"chatbell"
)

// MaxTopics bounds the topics of one device, and of one user's list: a registration, and
// each change of a user's list, writes all of them in one transaction.
const MaxTopics = 1000

// Errors of devices with topics. Nothing was changed.
var (
	// ErrConflict says that the thing is somebody else's, or that an id is taken.
	ErrConflict = errors.New("it belongs to somebody else")
	// ErrBadID says that a device id was made by nobody, and is no device's.
	ErrBadID = errors.New("the id is no device's")
	// ErrTooMany says that there would be more than [MaxTopics], or more than may be scheduled.
	ErrTooMany = errors.New("there would be too many")
)

// Registration is all that is to be known of a device: what it does not say is forgotten.
type Registration struct {
	// Device is the device. Its app and environment are those that are known of it: this
	// caller has no words for them. Without an id it is the device that has the token, or a
	// new one.
	Device chatbell.Device
	// NewID is the id of a new device that has none.
	NewID chatbell.DeviceID
	// Made says that the device's id may be that of a device which is gone: it is made again.
	// Otherwise an id that is no device's is [ErrBadID].
	Made bool
	// Topics are those of the device, besides those of its user and of everybody.
	Topics []string
	// WebPushKeys are a browser's, as JSON; empty for others.
	WebPushKeys string
}

// TopicDevice is a device with what is kept beside it.
type TopicDevice struct {
	chatbell.Device

	// Topics are in their order; nil unless they were asked for.
	Topics      []string
	WebPushKeys string
	// CreatedAt is when it was first registered, UpdatedAt when a caller last changed it.
	CreatedAt time.Time
	UpdatedAt time.Time
}

// DeviceChoice chooses devices: those that have one of the values of each list that is
// not nil.
type DeviceChoice struct {
	IDs       []chatbell.DeviceID
	Users     []chatbell.UserID
	Tokens    []string
	Topics    []string
	Providers []chatbell.Provider
	Platforms []chatbell.Platform
	// Usable leaves out those that are disabled.
	Usable bool
}

// DevicePage asks for a page of the devices of a choice, in the order of their ids.
type DevicePage struct {
	Choice DeviceChoice
	// After is the last id of the page before.
	After chatbell.DeviceID
	// Limit bounds the page.
	Limit int
	// Topics asks for the topics, too.
	Topics bool
}

// TopicOp is what is done with a list of topics. The list is closed.
type TopicOp string

// The operations.
const (
	TopicAdd    TopicOp = "add"
	TopicRemove TopicOp = "remove"
	TopicSet    TopicOp = "set"
)

// TopicChange changes a list of topics.
type TopicChange struct {
	Op     TopicOp
	Topics []string
}

// DeviceChange is what changes of devices; what is nil stays.
type DeviceChange struct {
	User     *chatbell.UserID
	Meta     *map[string]string
	Timezone *string
	Locale   *string
	Topics   *TopicChange
}

// TopicChoice chooses topics, as [DeviceChoice] does.
type TopicChoice struct {
	// Topics are names; Prefix is how they begin.
	Topics []string
	Prefix string
	// Devices, of which the first four lists count, and Users are whose they are.
	Devices DeviceChoice
	Users   []chatbell.UserID
}

// TopicPage asks for a page of topics, in the order of their names and then of whose
// they are.
type TopicPage struct {
	Choice TopicChoice
	// Topic and Of are those of the last item of the page before.
	Topic string
	Of    string
	Limit int
}

// DeviceTopic is a topic of a device.
type DeviceTopic struct {
	Topic  string
	Device TopicDevice
}

// UserTopic is a topic of a user.
type UserTopic struct {
	Topic string
	User  chatbell.UserID
}

// Scheduled is a request that waits for its time.
type Scheduled struct {
	Network chatbell.NetworkID
	// Kind names the planner that works it off; ID is unique among those of the kind.
	Kind string
	ID   string
	// Key orders it among requests, once its time has come.
	Key     string
	DueAt   time.Time
	Payload []byte
}

// MaxScheduled bounds what waits for its time, of one network: at 1 KiB each some 100 MB.
const MaxScheduled = 100_000
