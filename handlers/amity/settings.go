package amity

import (
	"context"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
)

func (a *api) settingRoutes() []web.Route {
	const (
		users = "/api/v3/notification/setting"
		admin = "/admin/v1/notification/setting"
	)
	return []web.Route{
		{Method: http.MethodGet, Path: users, Handle: a.getSetting, Access: web.Users, Doc: docGetSetting},
		{Method: http.MethodPost, Path: users, Handle: a.postSetting, Access: web.Users, Doc: docSaveSetting},
		{Method: http.MethodGet, Path: admin, Handle: a.getSetting, Access: web.Server, Doc: docGetAdminSetting},
		{Method: http.MethodPost, Path: admin, Handle: a.postSetting, Access: web.Server, Doc: docSaveAdminSetting},
	}
}

// The levels.
const (
	levelNetwork   = "network"
	levelUser      = "user"
	levelChannel   = "channel"
	levelCommunity = "community"
)

// place of a setting: whose it is.
type scope struct {
	level   string
	network chatbell.NetworkID
	user    chatbell.UserID
	channel chatbell.ChannelID
}

// scopeOf finds out whose setting is meant, and that the caller may reach it: a user only
// their own, a backend everybody's, and the network's only by the path for administration.
func scopeOf(c echo.Context, level string, user chatbell.UserID, channel, community string) (scope, error) {
	who := web.CallerOf(c)
	admin := c.Path() == "/admin/v1/notification/setting"
	at := scope{level: level, network: who.Network, user: user}
	check := &web.Checker{}
	switch level {
	case levelNetwork:
		if !admin {
			check.Add("/level", "must be user or channel; that of the network is set at /admin/v1/notification/setting")
		}
		at.user = ""
		return at, check.Result()
	case levelCommunity:
		check.Add("/level", "must be user or channel: chatbell has no communities")
	case levelChannel:
		check.ID("/channelId", channel)
		at.channel = chatbell.ChannelID(channel)
	case levelUser:
		if channel != "" || community != "" {
			check.Add("/level", "must be channel where there is a channelId: user is for all channels")
		}
	default:
		check.Add("/level", "is required: user, channel or, for administration, network")
	}
	switch {
	case who.User != "" && user != "" && user != who.User:
		return at, web.ErrUserToken
	case who.User != "":
		at.user = who.User
	default:
		check.ID("/userId", string(user))
	}
	return at, check.Result()
}

func (a *api) getSetting(c echo.Context) error {
	query := c.QueryParams()
	level := query.Get("level")
	if level == "" && c.Path() == "/admin/v1/notification/setting" {
		level = levelNetwork
	}
	at, err := scopeOf(c, level, chatbell.UserID(query.Get("userId")), query.Get("channelId"), query.Get("communityId"))
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	network, err := a.state.NetworkSettings(ctx, at.network)
	if err != nil {
		return err
	}
	var out setting
	switch at.level {
	case levelNetwork:
		out = networkSetting(&network)
	case levelUser:
		user, err := a.state.UserSettings(ctx, at.network, at.user)
		if err != nil {
			return err
		}
		out = userSetting(&network, &user)
	default:
		if out, err = a.channelSetting(ctx, &at, &network); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, out)
}

// saved answers what Amity answers to a setting that was saved.
type saved struct {
	Status string `json:"status" required:"true" enum:"success" description:"Always success."`
}

func (a *api) postSetting(c echo.Context) error {
	var in settingInput
	body, err := web.ReadBody(c)
	if err != nil {
		return err
	}
	if err := web.DecodeObject(body, &in); err != nil {
		return err
	}
	at, err := scopeOf(c, in.Level, in.UserID, in.ChannelID, in.CommunityID)
	if err != nil {
		return err
	}
	change, err := in.change(at.level)
	if err != nil {
		return err
	}
	// What is not said stays as it is: read, change and write are one.
	defer a.saving.lock(&at)()
	if err := a.save(c.Request().Context(), &at, &in, change); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, saved{Status: "success"})
}

func (a *api) save(ctx context.Context, at *scope, in *settingInput, change *changes) error {
	switch at.level {
	case levelNetwork:
		now, err := a.state.NetworkSettings(ctx, at.network)
		if err != nil {
			return err
		}
		if err := change.apply(&now); err != nil {
			return err
		}
		return a.state.PutNetworkSettings(ctx, at.network, now)
	case levelUser:
		now, err := a.state.UserSettings(ctx, at.network, at.user)
		if err != nil {
			return err
		}
		if err := change.apply(&now.Toggles); err != nil {
			return err
		}
		in.quiet(&now)
		return a.state.PutUserSettings(ctx, at.network, at.user, now)
	default:
		now, err := a.state.ChannelSettings(ctx, at.network, at.user, at.channel)
		if err != nil {
			return err
		}
		if err := change.apply(&now.Toggles); err != nil {
			return err
		}
		if in.MentionsOnly != nil {
			now.MentionsOnly = *in.MentionsOnly
		}
		return a.state.PutChannelSettings(ctx, at.network, at.user, at.channel, now)
	}
}

// changes are what a body says of the toggles. Entries without a word on something leave
// it as it is.
type changes struct {
	enabled *bool
	modules []entryChange
	events  []entryChange
}

// entryChange is what is said of one module or event.
type entryChange struct {
	name    string
	enabled *bool
	include *[]string
	exclude *[]string
}

// maxToggles bounds the entries of one level, as in our own API.
const maxToggles = 100

// apply makes the changes. An entry that stands there already is changed in its place;
// where it stands twice, all are.
func (ch *changes) apply(t *chatbell.Toggles) error {
	if ch.enabled != nil {
		t.Enabled = ch.enabled
	}
	for _, one := range ch.modules {
		found := false
		for i := range t.Modules {
			if string(t.Modules[i].Name) == one.name {
				found = true
				one.change(&t.Modules[i].Enabled, &t.Modules[i].Roles)
			}
		}
		if !found {
			entry := chatbell.ModuleToggle{Name: chatbell.Module(one.name)}
			one.change(&entry.Enabled, &entry.Roles)
			t.Modules = append(slices.Clip(t.Modules), entry)
		}
	}
	for _, one := range ch.events {
		found := false
		for i := range t.Events {
			if string(t.Events[i].Name) == one.name {
				found = true
				one.change(&t.Events[i].Enabled, &t.Events[i].Roles)
			}
		}
		if !found {
			entry := chatbell.EventToggle{Name: chatbell.EventType(one.name)}
			one.change(&entry.Enabled, &entry.Roles)
			t.Events = append(slices.Clip(t.Events), entry)
		}
	}
	if len(t.Modules) > maxToggles || len(t.Events) > maxToggles {
		return web.Invalid(web.Field("/notifiableEvents", "must leave at most %d modules and %d events", maxToggles, maxToggles))
	}
	return nil
}

func (e *entryChange) change(enabled **bool, roles *chatbell.RoleFilter) {
	if e.enabled != nil {
		*enabled = e.enabled
	}
	if e.include != nil {
		roles.Include = *e.include
	}
	if e.exclude != nil {
		roles.Exclude = *e.exclude
	}
}

// keyed holds one caller back while another changes the same settings. The zero value is
// ready for use. It is a fixed number of locks: two settings that share one wait for each
// other now and then, which harms nobody.
type keyed struct {
	once  sync.Once
	seed  maphash.Seed
	locks [64]sync.Mutex
}

// lock locks whose settings they are, and returns what unlocks them.
func (k *keyed) lock(at *scope) func() {
	k.once.Do(func() { k.seed = maphash.MakeSeed() })
	lock := &k.locks[maphash.String(k.seed, string(at.network)+"\x00"+string(at.user))%uint64(len(k.locks))]
	lock.Lock()
	return lock.Unlock
}
