package centrifugo

import (
	"context"
	"encoding/json"

	"chatbell"
	"chatbell/internal/store"
)

// The older product had channels where there are topics now, pages without cursors, and FCM
// alone; all of it at the endpoint for all methods. What its clients say is put in today's
// words, and what they are told in theirs.

// olderMethods are those whose names are gone.
var olderMethods = map[string]method{
	"device_subscription_add": methodOf("device_subscription_add", 0, func(a *api, ctx context.Context, c *call, in *olderSubscription) (*DeviceTopicUpdateResult, error) {
		return a.deviceTopicUpdate(ctx, c, &DeviceTopicUpdateRequest{DeviceID: in.DeviceID, Op: string(store.TopicAdd), Topics: in.Channels})
	}),
	"device_subscription_remove": methodOf("device_subscription_remove", 0, func(a *api, ctx context.Context, c *call, in *olderSubscription) (*DeviceTopicUpdateResult, error) {
		return a.deviceTopicUpdate(ctx, c, &DeviceTopicUpdateRequest{DeviceID: in.DeviceID, Op: string(store.TopicRemove), Topics: in.Channels})
	}),
	"device_subscription_list": methodOf("device_subscription_list", 0, (*api).olderSubscriptionList),
}

func isOlder(name string) bool {
	_, ok := olderMethods[name]
	return ok
}

// olderMethod finds the older method that a call means. Where the name has stayed, the
// names of its parameters tell.
func olderMethod(name string, params json.RawMessage) (method, bool) {
	if m, ok := olderMethods[name]; ok {
		return m, true
	}
	var said map[string]json.RawMessage
	if len(params) > 0 && json.Unmarshal(params, &said) != nil {
		return method{}, false
	}
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := said[name]; ok {
				return true
			}
		}
		return false
	}
	switch name {
	case "device_register":
		return methodOf(name, 0, (*api).olderRegister), !has("provider")
	case "send_push_notification":
		return methodOf(name, 0, (*api).olderSend), isOlderPush(params)
	case "device_remove":
		return methodOf(name, 0, (*api).olderRemove), has("tokens")
	case "device_list":
		now := has("filter", "include_total_count", "include_topics", "include_webpush_keys", "cursor")
		return methodOf(name, 0, (*api).olderList), !now
	}
	return method{}, false
}

// olderDevice is a device as it was shown.
type olderDevice struct {
	ID        string            `json:"id,omitempty"`
	Platform  string            `json:"platform,omitempty"`
	Token     string            `json:"token,omitempty"`
	User      string            `json:"user,omitempty"`
	CreatedAt int64             `json:"created_at,omitempty"`
	UpdatedAt int64             `json:"updated_at,omitempty"`
	Meta      map[string]string `json:"meta,omitempty"`
}

func olderDeviceOf(d *store.TopicDevice, meta bool) *olderDevice {
	out := &olderDevice{
		ID:        string(d.ID),
		Platform:  string(d.Platform),
		Token:     d.Token,
		User:      string(d.User),
		CreatedAt: d.CreatedAt.Unix(),
		UpdatedAt: d.UpdatedAt.Unix(),
	}
	if meta {
		out.Meta = d.Meta
	}
	return out
}

type (
	olderRegistered struct {
		ID     string       `json:"id"`
		Device *olderDevice `json:"device"`
	}
	olderRemoval struct {
		IDs    []string `json:"ids"`
		Users  []string `json:"users"`
		Tokens []string `json:"tokens"`
	}
	olderListing struct {
		IDs         []string `json:"ids"`
		Platforms   []string `json:"platforms"`
		Tokens      []string `json:"tokens"`
		Users       []string `json:"users"`
		Since       string   `json:"since"`
		Limit       int32    `json:"limit"`
		IncludeMeta bool     `json:"include_meta"`
	}
	olderDevices struct {
		Items   []*olderDevice `json:"items"`
		HasMore bool           `json:"has_more,omitempty"`
	}
	olderSubscription struct {
		DeviceID string   `json:"device_id"`
		Channels []string `json:"channels"`
	}
	olderSubscriptionListing struct {
		DeviceIDs       []string `json:"device_ids"`
		DevicePlatforms []string `json:"device_platforms"`
		DeviceTokens    []string `json:"device_tokens"`
		DeviceUsers     []string `json:"device_users"`
		Channels        []string `json:"channels"`
		Since           string   `json:"since"`
		Limit           int32    `json:"limit"`
	}
	olderSubscribed struct {
		ID             string `json:"id,omitempty"`
		DeviceID       string `json:"device_id,omitempty"`
		DeviceToken    string `json:"device_token,omitempty"`
		DevicePlatform string `json:"device_platform,omitempty"`
		DeviceUser     string `json:"device_user,omitempty"`
		Channel        string `json:"channel,omitempty"`
	}
	olderSubscriptions struct {
		Items   []*olderSubscribed `json:"items"`
		HasMore bool               `json:"has_more,omitempty"`
	}
)

// olderPlatform puts a platform in today's words: apns was one.
func olderPlatform(platform string) string {
	if platform == string(chatbell.ProviderAPNs) {
		return string(chatbell.PlatformIOS)
	}
	return platform
}

func (a *api) olderRegister(ctx context.Context, c *call, in *DeviceRegisterRequest) (*olderRegistered, error) {
	in.Provider = string(chatbell.ProviderFCM)
	in.Platform = olderPlatform(in.Platform)
	made, err := a.deviceRegister(ctx, c, in)
	if err != nil {
		return nil, err
	}
	found, err := a.State.ChosenDevices(ctx, c.network, store.DevicePage{Choice: store.DeviceChoice{IDs: []chatbell.DeviceID{chatbell.DeviceID(made.ID)}}, Limit: 1})
	if err != nil || len(found) == 0 {
		return &olderRegistered{ID: made.ID, Device: &olderDevice{ID: made.ID}}, err
	}
	return &olderRegistered{ID: made.ID, Device: olderDeviceOf(&found[0], true)}, nil
}

func (a *api) olderRemove(ctx context.Context, c *call, in *olderRemoval) (*DeviceRemoveResult, error) {
	check := &checks{}
	choice := store.DeviceChoice{
		IDs:    values[chatbell.DeviceID](check, "/ids", in.IDs),
		Users:  values[chatbell.UserID](check, "/users", in.Users),
		Tokens: values[string](check, "/tokens", in.Tokens),
	}
	if len(in.IDs)+len(in.Users)+len(in.Tokens) == 0 {
		check.Add("", "ids or tokens must say which devices are meant")
	}
	if err := check.result(); err != nil {
		return nil, err
	}
	return &DeviceRemoveResult{}, a.State.RemoveDevices(ctx, c.network, choice)
}

func (a *api) olderList(ctx context.Context, c *call, in *olderListing) (*olderDevices, error) {
	check := &checks{}
	page := store.DevicePage{
		Choice: store.DeviceChoice{
			IDs:       values[chatbell.DeviceID](check, "/ids", in.IDs),
			Users:     values[chatbell.UserID](check, "/users", in.Users),
			Tokens:    values[string](check, "/tokens", in.Tokens),
			Platforms: olderPlatforms(check, "/platforms", in.Platforms),
		},
		After: chatbell.DeviceID(in.Since),
		Limit: check.limit(in.Limit),
	}
	if err := check.result(); err != nil {
		return nil, err
	}
	page.Limit++ // whether there is another page
	found, err := a.State.ChosenDevices(ctx, c.network, page)
	out := &olderDevices{HasMore: len(found) == page.Limit}
	found = found[:min(len(found), page.Limit-1)]
	out.Items = make([]*olderDevice, len(found))
	for i := range found {
		out.Items[i] = olderDeviceOf(&found[i], in.IncludeMeta)
	}
	return out, err
}

func olderPlatforms(k *checks, pointer string, platforms []string) []chatbell.Platform {
	out := values[chatbell.Platform](k, pointer, platforms)
	for i := range out {
		out[i] = chatbell.Platform(olderPlatform(string(out[i])))
	}
	return out
}

func (a *api) olderSubscriptionList(ctx context.Context, c *call, in *olderSubscriptionListing) (*olderSubscriptions, error) {
	check := &checks{}
	after := check.cursor(in.Since)
	page := store.TopicPage{Choice: check.topicsOf(in.Channels, ""), Topic: after.First, Of: after.Second, Limit: check.limit(in.Limit)}
	page.Choice.Devices = store.DeviceChoice{
		IDs:       values[chatbell.DeviceID](check, "/device_ids", in.DeviceIDs),
		Users:     values[chatbell.UserID](check, "/device_users", in.DeviceUsers),
		Platforms: olderPlatforms(check, "/device_platforms", in.DevicePlatforms),
	}
	if len(in.DeviceTokens) > 0 {
		ids, err := a.withTokens(ctx, c, page.Choice.Devices.IDs, values[string](check, "/device_tokens", in.DeviceTokens))
		if err != nil {
			return nil, err
		}
		page.Choice.Devices.IDs = ids
	}
	if err := check.result(); err != nil {
		return nil, err
	}
	page.Limit++ // whether there is another page
	found, err := a.State.DeviceTopics(ctx, c.network, page)
	out := &olderSubscriptions{HasMore: len(found) == page.Limit}
	found = found[:min(len(found), page.Limit-1)]
	out.Items = make([]*olderSubscribed, len(found))
	for i := range found {
		device := &found[i].Device
		out.Items[i] = &olderSubscribed{
			ID:             deviceTopicID(&found[i]),
			DeviceID:       string(device.ID),
			DeviceToken:    device.Token,
			DevicePlatform: string(device.Platform),
			DeviceUser:     string(device.User),
			Channel:        found[i].Topic,
		}
	}
	return out, err
}

// withTokens are the ids of the devices that have one of the tokens, and one of the ids
// where there are any. A token is one provider's: there are not many more than tokens.
func (a *api) withTokens(ctx context.Context, c *call, ids []chatbell.DeviceID, tokens []string) ([]chatbell.DeviceID, error) {
	found, err := a.State.ChosenDevices(ctx, c.network, store.DevicePage{Choice: store.DeviceChoice{IDs: ids, Tokens: tokens}, Limit: len(knownProviders) * maxValues})
	out := make([]chatbell.DeviceID, len(found))
	for i := range found {
		out[i] = found[i].ID
	}
	return out, err
}
