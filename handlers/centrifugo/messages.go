package centrifugo

// The messages of devices and topics, as api.proto has them: the tag pb is the number of a
// field. A test compares both.

// Device is the message of that name.
type Device struct {
	ID          string            `json:"id,omitempty" pb:"1"`
	Platform    string            `json:"platform,omitempty" pb:"2"`
	Provider    string            `json:"provider,omitempty" pb:"3"`
	Token       string            `json:"token,omitempty" pb:"4"`
	User        string            `json:"user,omitempty" pb:"5"`
	CreatedAt   int64             `json:"created_at,omitempty" pb:"6"`
	UpdatedAt   int64             `json:"updated_at,omitempty" pb:"7"`
	Meta        map[string]string `json:"meta,omitempty" pb:"10"`
	Topics      []string          `json:"topics,omitempty" pb:"11"`
	Timezone    string            `json:"timezone,omitempty" pb:"12"`
	Locale      string            `json:"locale,omitempty" pb:"13"`
	WebpushKeys string            `json:"webpush_keys,omitempty" pb:"14"`
}

// DeviceFilter is the message of that name.
type DeviceFilter struct {
	IDs       []string `json:"ids,omitempty" pb:"1"`
	Users     []string `json:"users,omitempty" pb:"2"`
	Topics    []string `json:"topics,omitempty" pb:"3"`
	Providers []string `json:"providers,omitempty" pb:"4"`
	Platforms []string `json:"platforms,omitempty" pb:"5"`
}

// DeviceRegisterRequest is the message of that name.
type DeviceRegisterRequest struct {
	ID       string            `json:"id,omitempty" pb:"1"`
	Provider string            `json:"provider,omitempty" pb:"2"`
	Token    string            `json:"token,omitempty" pb:"3"`
	Platform string            `json:"platform,omitempty" pb:"4"`
	User     string            `json:"user,omitempty" pb:"5"`
	Meta     map[string]string `json:"meta,omitempty" pb:"6"`
	Topics   []string          `json:"topics,omitempty" pb:"7"`
	Timezone string            `json:"timezone,omitempty" pb:"8"`
	Locale   string            `json:"locale,omitempty" pb:"9"`
}

// DeviceRegisterResult is the message of that name.
type DeviceRegisterResult struct {
	ID string `json:"id,omitempty" pb:"1"`
}

// DeviceUserUpdate is the message of that name.
type DeviceUserUpdate struct {
	User string `json:"user,omitempty" pb:"1"`
}

// DeviceMetaUpdate is the message of that name.
type DeviceMetaUpdate struct {
	Meta map[string]string `json:"meta,omitempty" pb:"1"`
}

// DeviceTopicsUpdate is the message of that name.
type DeviceTopicsUpdate struct {
	Op     string   `json:"op,omitempty" pb:"1"`
	Topics []string `json:"topics,omitempty" pb:"2"`
}

// DeviceTimezoneUpdate is the message of that name.
type DeviceTimezoneUpdate struct {
	Timezone string `json:"timezone,omitempty" pb:"1"`
}

// DeviceLocaleUpdate is the message of that name.
type DeviceLocaleUpdate struct {
	Locale string `json:"locale,omitempty" pb:"1"`
}

// DeviceUpdateRequest is the message of that name.
type DeviceUpdateRequest struct {
	IDs            []string              `json:"ids,omitempty" pb:"1"`
	Users          []string              `json:"users,omitempty" pb:"2"`
	UserUpdate     *DeviceUserUpdate     `json:"user_update,omitempty" pb:"4"`
	MetaUpdate     *DeviceMetaUpdate     `json:"meta_update,omitempty" pb:"5"`
	TopicsUpdate   *DeviceTopicsUpdate   `json:"topics_update,omitempty" pb:"6"`
	TimezoneUpdate *DeviceTimezoneUpdate `json:"timezone_update,omitempty" pb:"7"`
	LocaleUpdate   *DeviceLocaleUpdate   `json:"locale_update,omitempty" pb:"8"`
}

// DeviceUpdateResult is the message of that name.
type DeviceUpdateResult struct{}

// DeviceRemoveRequest is the message of that name.
type DeviceRemoveRequest struct {
	IDs   []string `json:"ids,omitempty" pb:"1"`
	Users []string `json:"users,omitempty" pb:"2"`
}

// DeviceRemoveResult is the message of that name.
type DeviceRemoveResult struct{}

// DeviceListRequest is the message of that name.
type DeviceListRequest struct {
	Filter             *DeviceFilter `json:"filter,omitempty" pb:"1"`
	IncludeTotalCount  bool          `json:"include_total_count,omitempty" pb:"2"`
	IncludeMeta        bool          `json:"include_meta,omitempty" pb:"3"`
	IncludeTopics      bool          `json:"include_topics,omitempty" pb:"4"`
	IncludeWebpushKeys bool          `json:"include_webpush_keys,omitempty" pb:"5"`
	Cursor             string        `json:"cursor,omitempty" pb:"10"`
	Limit              int32         `json:"limit,omitempty" pb:"11"`
}

// DeviceListResult is the message of that name.
type DeviceListResult struct {
	Items      []*Device `json:"items" pb:"1"`
	NextCursor string    `json:"next_cursor,omitempty" pb:"2"`
	TotalCount int64     `json:"total_count,omitempty" pb:"3"`
}

// DeviceTopicFilter is the message of that name.
type DeviceTopicFilter struct {
	DeviceIDs       []string `json:"device_ids,omitempty" pb:"1"`
	DeviceProviders []string `json:"device_providers,omitempty" pb:"2"`
	DevicePlatforms []string `json:"device_platforms,omitempty" pb:"3"`
	DeviceUsers     []string `json:"device_users,omitempty" pb:"4"`
	Topics          []string `json:"topics,omitempty" pb:"5"`
	TopicPrefix     string   `json:"topic_prefix,omitempty" pb:"6"`
}

// DeviceTopicListRequest is the message of that name.
type DeviceTopicListRequest struct {
	Filter            *DeviceTopicFilter `json:"filter,omitempty" pb:"1"`
	IncludeTotalCount bool               `json:"include_total_count,omitempty" pb:"2"`
	IncludeDevice     bool               `json:"include_device,omitempty" pb:"3"`
	Cursor            string             `json:"cursor,omitempty" pb:"10"`
	Limit             int32              `json:"limit,omitempty" pb:"11"`
}

// DeviceTopicListResult is the message of that name.
type DeviceTopicListResult struct {
	Items      []*DeviceTopic `json:"items" pb:"1"`
	NextCursor string         `json:"next_cursor,omitempty" pb:"2"`
	TotalCount int64          `json:"total_count,omitempty" pb:"3"`
}

// DeviceTopic is the message of that name.
type DeviceTopic struct {
	ID    string `json:"id,omitempty" pb:"1"`
	Topic string `json:"topic,omitempty" pb:"2"`
	// DeviceID is in the documentation of Centrifugo, and not among its messages.
	DeviceID string  `json:"device_id,omitempty"`
	Device   *Device `json:"device,omitempty" pb:"3"`
}

// DeviceTopicUpdateRequest is the message of that name.
type DeviceTopicUpdateRequest struct {
	DeviceID string   `json:"device_id,omitempty" pb:"1"`
	Op       string   `json:"op,omitempty" pb:"2"`
	Topics   []string `json:"topics,omitempty" pb:"3"`
	User     string   `json:"user,omitempty" pb:"4"`
}

// DeviceTopicUpdateResult is the message of that name.
type DeviceTopicUpdateResult struct{}

// UserTopicFilter is the message of that name.
type UserTopicFilter struct {
	Users       []string `json:"users,omitempty" pb:"1"`
	Topics      []string `json:"topics,omitempty" pb:"2"`
	TopicPrefix string   `json:"topic_prefix,omitempty" pb:"3"`
}

// UserTopicListRequest is the message of that name.
type UserTopicListRequest struct {
	Filter            *UserTopicFilter `json:"filter,omitempty" pb:"1"`
	IncludeTotalCount bool             `json:"include_total_count,omitempty" pb:"2"`
	Cursor            string           `json:"cursor,omitempty" pb:"10"`
	Limit             int32            `json:"limit,omitempty" pb:"11"`
}

// UserTopicListResult is the message of that name.
type UserTopicListResult struct {
	Items      []*UserTopic `json:"items" pb:"1"`
	NextCursor string       `json:"next_cursor,omitempty" pb:"2"`
	TotalCount int64        `json:"total_count,omitempty" pb:"3"`
}

// UserTopic is the message of that name.
type UserTopic struct {
	ID    string `json:"id,omitempty" pb:"1"`
	User  string `json:"user,omitempty" pb:"2"`
	Topic string `json:"topic,omitempty" pb:"3"`
}

// UserTopicUpdateRequest is the message of that name.
type UserTopicUpdateRequest struct {
	User   string   `json:"user,omitempty" pb:"1"`
	Op     string   `json:"op,omitempty" pb:"2"`
	Topics []string `json:"topics,omitempty" pb:"3"`
}

// UserTopicUpdateResult is the message of that name.
type UserTopicUpdateResult struct{}
