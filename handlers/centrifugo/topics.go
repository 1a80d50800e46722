package centrifugo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"chatbell"
	"chatbell/internal/store"
)

// The bounds of a list's page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// cursor is where a page ended, encoded so that nobody reads a meaning into it. It is also
// the id of a topic in a list: where that item is.
type cursor struct {
	First  string `json:"a"`
	Second string `json:"b,omitempty"`
}

// String implements fmt.Stringer.
func (c cursor) String() string {
	data, err := json.Marshal(c)
	if err != nil {
		return "" // cannot be: texts only
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func (k *checks) cursor(text string) (at cursor) {
	if text == "" {
		return at
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !utf8.Valid(data) || json.Unmarshal(data, &at) != nil {
		k.Add("/cursor", "must be the next_cursor of an earlier answer")
	}
	return at
}

func (k *checks) limit(limit int32) int {
	if limit == 0 {
		return defaultLimit
	}
	if limit < 0 || limit > maxLimit {
		k.Add("/limit", "must be 1 to %d; 0 means %d", maxLimit, defaultLimit)
	}
	return int(limit)
}

// topicsOf checks a filter of topics.
func (k *checks) topicsOf(topics []string, prefix string) store.TopicChoice {
	if prefix != "" {
		k.topic("/filter/topic_prefix", prefix)
	}
	return store.TopicChoice{Topics: values[string](k, "/filter/topics", topics), Prefix: prefix}
}

func (a *api) deviceTopicList(ctx context.Context, c *call, in *DeviceTopicListRequest) (*DeviceTopicListResult, error) {
	filter := in.Filter
	if filter == nil {
		filter = &DeviceTopicFilter{}
	}
	check := &checks{}
	after := check.cursor(in.Cursor)
	page := store.TopicPage{Choice: check.topicsOf(filter.Topics, filter.TopicPrefix), Topic: after.First, Of: after.Second, Limit: check.limit(in.Limit)}
	page.Choice.Devices = store.DeviceChoice{
		IDs:       values[chatbell.DeviceID](check, "/filter/device_ids", filter.DeviceIDs),
		Users:     values[chatbell.UserID](check, "/filter/device_users", filter.DeviceUsers),
		Providers: values[chatbell.Provider](check, "/filter/device_providers", filter.DeviceProviders),
		Platforms: values[chatbell.Platform](check, "/filter/device_platforms", filter.DevicePlatforms),
	}
	if err := check.result(); err != nil {
		return nil, err
	}
	page.Limit++ // whether there is another page
	found, err := a.State.DeviceTopics(ctx, c.network, page)
	if err != nil {
		return nil, err
	}
	out := &DeviceTopicListResult{}
	if len(found) == page.Limit {
		found = found[:len(found)-1]
		out.NextCursor = deviceTopicID(&found[len(found)-1])
	}
	out.Items = make([]*DeviceTopic, len(found))
	for i := range found {
		one := &found[i]
		out.Items[i] = &DeviceTopic{ID: deviceTopicID(one), Topic: one.Topic, DeviceID: string(one.Device.ID)}
		if in.IncludeDevice {
			out.Items[i].Device = shown{meta: true}.device(&one.Device)
		}
	}
	if in.IncludeTotalCount {
		out.TotalCount, err = a.State.CountDeviceTopics(ctx, c.network, page.Choice)
	}
	return out, err
}

func deviceTopicID(t *store.DeviceTopic) string {
	return cursor{First: t.Topic, Second: string(t.Device.ID)}.String()
}

func (a *api) deviceTopicUpdate(ctx context.Context, c *call, in *DeviceTopicUpdateRequest) (*DeviceTopicUpdateResult, error) {
	check := &checks{}
	if in.DeviceID == "" {
		check.Add("/device_id", "must name a device")
	}
	check.user("/user", in.User)
	check.topics("/topics", in.Topics)
	change := store.TopicChange{Op: check.op("/op", in.Op), Topics: in.Topics}
	if err := check.result(); err != nil {
		return nil, err
	}
	return &DeviceTopicUpdateResult{}, a.State.ChangeDeviceTopics(ctx, c.network, chatbell.DeviceID(in.DeviceID), chatbell.UserID(in.User), change)
}

func (a *api) userTopicList(ctx context.Context, c *call, in *UserTopicListRequest) (*UserTopicListResult, error) {
	filter := in.Filter
	if filter == nil {
		filter = &UserTopicFilter{}
	}
	check := &checks{}
	after := check.cursor(in.Cursor)
	page := store.TopicPage{Choice: check.topicsOf(filter.Topics, filter.TopicPrefix), Topic: after.First, Of: after.Second, Limit: check.limit(in.Limit)}
	page.Choice.Users = values[chatbell.UserID](check, "/filter/users", filter.Users)
	if err := check.result(); err != nil {
		return nil, err
	}
	page.Limit++ // whether there is another page
	found, err := a.State.UserTopics(ctx, c.network, page)
	if err != nil {
		return nil, err
	}
	out := &UserTopicListResult{}
	if len(found) == page.Limit {
		found = found[:len(found)-1]
		out.NextCursor = userTopicID(&found[len(found)-1])
	}
	out.Items = make([]*UserTopic, len(found))
	for i := range found {
		out.Items[i] = &UserTopic{ID: userTopicID(&found[i]), User: string(found[i].User), Topic: found[i].Topic}
	}
	if in.IncludeTotalCount {
		out.TotalCount, err = a.State.CountUserTopics(ctx, c.network, page.Choice)
	}
	return out, err
}

func userTopicID(t *store.UserTopic) string {
	return cursor{First: t.Topic, Second: string(t.User)}.String()
}

// userTopicUpdate changes a user's list, and with it the topics of their devices. The list
// of nobody is everybody's.
func (a *api) userTopicUpdate(ctx context.Context, c *call, in *UserTopicUpdateRequest) (*UserTopicUpdateResult, error) {
	check := &checks{}
	check.user("/user", in.User)
	check.topics("/topics", in.Topics)
	change := store.TopicChange{Op: check.op("/op", in.Op), Topics: in.Topics}
	if err := check.result(); err != nil {
		return nil, err
	}
	return &UserTopicUpdateResult{}, a.State.ChangeUserTopics(ctx, c.network, chatbell.UserID(in.User), change)
}
