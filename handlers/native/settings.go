package native

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
)

func (a *api) settingsRoutes() []web.Route {
	const (
		network = "/v1/settings/network"
		user    = "/v1/settings/users/:user"
		channel = "/v1/settings/users/:user/channels/:channel"
	)
	return []web.Route{
		{Method: http.MethodGet, Path: network, Handle: a.getNetworkSettings, Access: web.Server, Doc: docNetworkSettings.get},
		{Method: http.MethodPut, Path: network, Handle: a.putNetworkSettings, Access: web.Server, Doc: docNetworkSettings.put},
		{Method: http.MethodPatch, Path: network, Handle: a.putNetworkSettings, Access: web.Server, Doc: docNetworkSettings.patch},
		{Method: http.MethodGet, Path: user, Handle: a.getUserSettings, Access: web.Users, Doc: docUserSettings.get},
		{Method: http.MethodPut, Path: user, Handle: a.putUserSettings, Access: web.Users, Doc: docUserSettings.put},
		{Method: http.MethodPatch, Path: user, Handle: a.putUserSettings, Access: web.Users, Doc: docUserSettings.patch},
		{Method: http.MethodGet, Path: channel, Handle: a.getChannelSettings, Access: web.Users, Doc: docChannelSettings.get},
		{Method: http.MethodPut, Path: channel, Handle: a.putChannelSettings, Access: web.Users, Doc: docChannelSettings.put},
		{Method: http.MethodPatch, Path: channel, Handle: a.putChannelSettings, Access: web.Users, Doc: docChannelSettings.patch},
	}
}

// ownUser reads the user of the path; a user's token reaches only its own.
func ownUser(c echo.Context) (chatbell.UserID, error) {
	id, err := web.PathID(c, "user")
	if err != nil {
		return "", err
	}
	if who := web.CallerOf(c); who.User != "" && who.User != chatbell.UserID(id) {
		return "", web.ErrUserToken
	}
	return chatbell.UserID(id), nil
}

// The bounds of settings, as at Amity: 24 events, 10 roles a list.
const (
	maxToggles     = 100
	maxFilterRoles = 10
)

func checkToggles(t *chatbell.Toggles, check *web.Checker) {
	if len(t.Modules) > maxToggles {
		check.Add("/modules", "must be at most %d", maxToggles)
		return
	}
	if len(t.Events) > maxToggles {
		check.Add("/events", "must be at most %d", maxToggles)
		return
	}
	for i, toggle := range t.Modules {
		place := fmt.Sprintf("/modules/%d", i)
		if !namePattern.MatchString(string(toggle.Name)) {
			check.Add(place+"/name", "must be a module's name, for example chat")
		}
		checkFilter(place+"/roles/include", toggle.Roles.Include, check)
		checkFilter(place+"/roles/exclude", toggle.Roles.Exclude, check)
	}
	for i, e := range t.Events {
		place := fmt.Sprintf("/events/%d", i)
		if !typePattern.MatchString(string(e.Name)) {
			check.Add(place+"/name", "must be an event type, for example message.created")
		}
		checkFilter(place+"/roles/include", e.Roles.Include, check)
		checkFilter(place+"/roles/exclude", e.Roles.Exclude, check)
	}
}

func checkFilter(pointer string, roles []string, k *web.Checker) {
	if len(roles) > maxFilterRoles {
		k.Add(pointer, "must be at most %d", maxFilterRoles)
		return
	}
	k.Roles(pointer, roles)
}

func checkUserSettings(s *chatbell.UserSettings, check *web.Checker) {
	checkToggles(&s.Toggles, check)
	quiet := s.QuietHours
	if quiet == nil {
		return
	}
	checkClock("/quiet_hours/from", quiet.From, check)
	checkClock("/quiet_hours/to", quiet.To, check)
	check.Timezone("/quiet_hours/timezone", quiet.Timezone)
}

func checkClock(pointer, v string, k *web.Checker) {
	if _, err := time.Parse("15:04", v); err != nil || len(v) != 5 {
		k.Add(pointer, "must be HH:MM, for example 22:00")
	}
}

func checkChannelSettings(s *chatbell.ChannelSettings, k *web.Checker) { checkToggles(&s.Toggles, k) }

// aSetting is what a member of the settings is called.
const aSetting = "a setting of this level"

func (a *api) networkSettings(c echo.Context) web.Document[chatbell.Toggles] {
	network := web.CallerOf(c).Network
	return web.Document[chatbell.Toggles]{
		Member: aSetting,
		Check:  checkToggles,
		Read:   func(ctx context.Context) (chatbell.Toggles, error) { return a.state.NetworkSettings(ctx, network) },
		Write: func(ctx context.Context, t chatbell.Toggles) error {
			return a.state.PutNetworkSettings(ctx, network, t)
		},
	}
}

func (a *api) getNetworkSettings(c echo.Context) error { return a.networkSettings(c).Get(c) }
func (a *api) putNetworkSettings(c echo.Context) error { return a.networkSettings(c).Change(c) }

func (a *api) userSettings(c echo.Context) (web.Document[chatbell.UserSettings], error) {
	user, err := ownUser(c)
	network := web.CallerOf(c).Network
	return web.Document[chatbell.UserSettings]{
		Member: aSetting,
		Check:  checkUserSettings,
		Read: func(ctx context.Context) (chatbell.UserSettings, error) {
			return a.state.UserSettings(ctx, network, user)
		},
		Write: func(ctx context.Context, s chatbell.UserSettings) error {
			return a.state.PutUserSettings(ctx, network, user, s)
		},
	}, err
}

func (a *api) getUserSettings(c echo.Context) error {
	settings, err := a.userSettings(c)
	if err != nil {
		return err
	}
	return settings.Get(c)
}

func (a *api) putUserSettings(c echo.Context) error {
	settings, err := a.userSettings(c)
	if err != nil {
		return err
	}
	return settings.Change(c)
}

func (a *api) channelSettings(c echo.Context) (web.Document[chatbell.ChannelSettings], error) {
	none := web.Document[chatbell.ChannelSettings]{}
	user, err := ownUser(c)
	if err != nil {
		return none, err
	}
	id, err := web.PathID(c, "channel")
	if err != nil {
		return none, err
	}
	network := web.CallerOf(c).Network
	channel := chatbell.ChannelID(id)
	return web.Document[chatbell.ChannelSettings]{
		Member: aSetting,
		Check:  checkChannelSettings,
		Read: func(ctx context.Context) (chatbell.ChannelSettings, error) {
			return a.state.ChannelSettings(ctx, network, user, channel)
		},
		Write: func(ctx context.Context, s chatbell.ChannelSettings) error {
			return a.state.PutChannelSettings(ctx, network, user, channel, s)
		},
	}, nil
}

func (a *api) getChannelSettings(c echo.Context) error {
	settings, err := a.channelSettings(c)
	if err != nil {
		return err
	}
	return settings.Get(c)
}

func (a *api) putChannelSettings(c echo.Context) error {
	settings, err := a.channelSettings(c)
	if err != nil {
		return err
	}
	return settings.Change(c)
}
