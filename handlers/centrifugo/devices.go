package centrifugo

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

// deviceID is the form of the ids that are made here: the provider, when it was made, and
// what cannot be guessed.
var deviceID = regexp.MustCompile(`^(fcm|hms|apns|webpush)_[0-9a-v]{13}[a-z2-7]{26}$`)

func newDeviceID(provider string, now time.Time) chatbell.DeviceID {
	var when [8]byte
	binary.BigEndian.PutUint64(when[:], uint64(now.UnixMilli()))
	stamp := base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(when[:])
	return chatbell.DeviceID(provider + "_" + strings.ToLower(stamp) + strings.ToLower(rand.Text()))
}

// deviceRegister makes a device what the call says, and nothing else: what it leaves out is
// forgotten.
func (a *api) deviceRegister(ctx context.Context, c *call, in *DeviceRegisterRequest) (*DeviceRegisterResult, error) {
	check := &checks{}
	reg := store.Registration{
		Device: chatbell.Device{
			ID:       chatbell.DeviceID(in.ID),
			User:     chatbell.UserID(in.User),
			Provider: chatbell.Provider(in.Provider),
			Platform: chatbell.Platform(in.Platform),
			Token:    check.provider(in.Provider, in.Token),
			Locale:   in.Locale,
			Timezone: in.Timezone,
			Meta:     in.Meta,
		},
		NewID:  newDeviceID(in.Provider, c.now),
		Made:   deviceID.MatchString(in.ID),
		Topics: in.Topics,
	}
	if in.ID != "" {
		check.ID("/id", in.ID)
	}
	if reg.Device.Provider == chatbell.ProviderWebPush && reg.Device.Token != "" {
		var err error
		if reg.Device.Token, reg.WebPushKeys, err = readSubscription(in.Token); err != nil {
			check.Add("/token", "%s", err.Error())
		}
	}
	if !slices.Contains(chatbell.Platforms[:], reg.Device.Platform) {
		check.Add("/platform", "must be ios, android or web")
	}
	check.user("/user", in.User)
	check.meta("/meta", in.Meta)
	check.topics("/topics", in.Topics)
	check.Locale("/locale", in.Locale)
	check.Timezone("/timezone", in.Timezone)
	if err := check.result(); err != nil {
		return nil, err
	}
	id, err := a.State.RegisterWithTopics(ctx, c.network, reg)
	return &DeviceRegisterResult{ID: string(id)}, err
}

// deviceUpdate changes what the call says of the devices that have one of the ids and one of
// the users.
func (a *api) deviceUpdate(ctx context.Context, c *call, in *DeviceUpdateRequest) (*DeviceUpdateResult, error) {
	check := &checks{}
	choice := check.some(in.IDs, in.Users)
	var change store.DeviceChange
	if in.UserUpdate != nil {
		check.user("/user_update/user", in.UserUpdate.User)
		change.User = new(chatbell.UserID(in.UserUpdate.User))
	}
	if in.MetaUpdate != nil {
		check.meta("/meta_update/meta", in.MetaUpdate.Meta)
		change.Meta = &in.MetaUpdate.Meta
	}
	if in.TopicsUpdate != nil {
		check.topics("/topics_update/topics", in.TopicsUpdate.Topics)
		change.Topics = &store.TopicChange{Op: check.op("/topics_update/op", in.TopicsUpdate.Op), Topics: in.TopicsUpdate.Topics}
	}
	if in.TimezoneUpdate != nil {
		check.Timezone("/timezone_update/timezone", in.TimezoneUpdate.Timezone)
		change.Timezone = &in.TimezoneUpdate.Timezone
	}
	if in.LocaleUpdate != nil {
		check.Locale("/locale_update/locale", in.LocaleUpdate.Locale)
		change.Locale = &in.LocaleUpdate.Locale
	}
	if change == (store.DeviceChange{}) {
		check.Add("", "nothing is to be changed: give user_update, meta_update, topics_update, timezone_update or locale_update")
	}
	if err := check.result(); err != nil {
		return nil, err
	}
	return &DeviceUpdateResult{}, a.State.ChangeDevices(ctx, c.network, choice, change)
}

// some are the devices that have one of the ids and one of the users. A call that names
// neither would mean all devices there are, which nobody means.
func (k *checks) some(ids, users []string) store.DeviceChoice {
	if len(ids) == 0 && len(users) == 0 {
		k.Add("", "ids or users must say which devices are meant")
	}
	return store.DeviceChoice{
		IDs:   values[chatbell.DeviceID](k, "/ids", ids),
		Users: values[chatbell.UserID](k, "/users", users),
	}
}

func (a *api) deviceRemove(ctx context.Context, c *call, in *DeviceRemoveRequest) (*DeviceRemoveResult, error) {
	check := &checks{}
	choice := check.some(in.IDs, in.Users)
	if err := check.result(); err != nil {
		return nil, err
	}
	return &DeviceRemoveResult{}, a.State.RemoveDevices(ctx, c.network, choice)
}

// devices is a filter as the store takes it.
func (k *checks) devices(pointer string, filter *DeviceFilter) store.DeviceChoice {
	if filter == nil {
		return store.DeviceChoice{}
	}
	return store.DeviceChoice{
		IDs:       values[chatbell.DeviceID](k, pointer+"/ids", filter.IDs),
		Users:     values[chatbell.UserID](k, pointer+"/users", filter.Users),
		Topics:    values[string](k, pointer+"/topics", filter.Topics),
		Providers: values[chatbell.Provider](k, pointer+"/providers", filter.Providers),
		Platforms: values[chatbell.Platform](k, pointer+"/platforms", filter.Platforms),
	}
}

func (a *api) deviceList(ctx context.Context, c *call, in *DeviceListRequest) (*DeviceListResult, error) {
	check := &checks{}
	page := store.DevicePage{
		Choice: check.devices("/filter", in.Filter),
		After:  chatbell.DeviceID(check.cursor(in.Cursor).First),
		Limit:  check.limit(in.Limit),
		Topics: in.IncludeTopics,
	}
	if err := check.result(); err != nil {
		return nil, err
	}
	page.Limit++ // whether there is another page
	found, err := a.State.ChosenDevices(ctx, c.network, page)
	if err != nil {
		return nil, err
	}
	out := &DeviceListResult{}
	if len(found) == page.Limit {
		found = found[:len(found)-1]
		out.NextCursor = cursor{First: string(found[len(found)-1].ID)}.String()
	}
	show := shown{meta: in.IncludeMeta, keys: in.IncludeWebpushKeys}
	out.Items = make([]*Device, len(found))
	for i := range found {
		out.Items[i] = show.device(&found[i])
	}
	if in.IncludeTotalCount {
		out.TotalCount, err = a.State.CountDevices(ctx, c.network, page.Choice)
	}
	return out, err
}

// shown is what is shown of a device besides the rest.
type shown struct{ meta, keys bool }

func (s shown) device(d *store.TopicDevice) *Device {
	out := &Device{
		ID:        string(d.ID),
		Platform:  string(d.Platform),
		Provider:  string(d.Provider),
		Token:     d.Token,
		User:      string(d.User),
		CreatedAt: d.CreatedAt.Unix(),
		UpdatedAt: d.UpdatedAt.Unix(),
		Topics:    d.Topics,
		Timezone:  d.Timezone,
		Locale:    d.Locale,
	}
	if s.meta {
		out.Meta = d.Meta
	}
	if s.keys {
		out.WebpushKeys = d.WebPushKeys
	}
	return out
}
