package native

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
)

func (a *api) settingsRoutes() []route {
	const network, user, channel = "/v1/settings/network", "/v1/settings/users/:user", "/v1/settings/users/:user/channels/:channel"
	return []route{
		{http.MethodGet, network, a.getNetworkSettings, server, docGetNetworkSettings},
		{http.MethodPut, network, a.putNetworkSettings, server, docPutNetworkSettings},
		{http.MethodPatch, network, a.putNetworkSettings, server, docPatchNetworkSettings},
		{http.MethodGet, user, a.getUserSettings, users, docGetUserSettings},
		{http.MethodPut, user, a.putUserSettings, users, docPutUserSettings},
		{http.MethodPatch, user, a.putUserSettings, users, docPatchUserSettings},
		{http.MethodGet, channel, a.getChannelSettings, users, docGetChannelSettings},
		{http.MethodPut, channel, a.putChannelSettings, users, docPutChannelSettings},
		{http.MethodPatch, channel, a.putChannelSettings, users, docPatchChannelSettings},
	}
}

// ownUser reads the user of the path; a user's token reaches only its own.
func ownUser(c echo.Context) (chatbell.UserID, error) {
	id, err := pathID(c, "user")
	if err != nil {
		return "", err
	}
	if who := callerOf(c); who.user != "" && who.user != chatbell.UserID(id) {
		return "", errUserToken
	}
	return chatbell.UserID(id), nil
}

// change applies a PUT (the whole) or a PATCH (RFC 7396, onto what is there) to
// settings: read, merge, check, write.
func change[T any](c echo.Context, read func(context.Context) (T, error), check func(*T, *checker), write func(context.Context, T) error) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	var next T
	if c.Request().Method == http.MethodPatch {
		var patch map[string]any
		if err := decodeObject(body, &patch); err != nil {
			return err
		}
		now, err := read(c.Request().Context())
		if err != nil {
			return err
		}
		if body, err = merge(now, patch); err != nil {
			return err
		}
	}
	if err := decodeObject(body, &next); err != nil {
		return err
	}
	k := &checker{}
	checkKnown(body, new(T), k)
	check(&next, k)
	if err := k.result(); err != nil {
		return err
	}
	if err := write(c.Request().Context(), next); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, next)
}

// checkKnown refuses members that mean nothing here: a setting that was mistyped would
// not only do nothing, it would erase what was set before.
func checkKnown(body []byte, v any, k *checker) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		return
	}
	name, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	if !unknown {
		return // decodeObject has looked at everything else
	}
	at := ""
	walk(body, func(int, []level) bool { return true }, func(around []level) bool {
		if string(around[len(around)-1].name) == name {
			at = pointer(around)
		}
		return at == ""
	})
	k.add(at, "is not a setting of this level")
}

// merge lays a merge patch over a value: null removes, an object goes deeper,
// anything else replaces.
func merge(now any, patch map[string]any) ([]byte, error) {
	data, err := json.Marshal(now)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	var target map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&target); err != nil {
		return nil, fmt.Errorf("decode settings: %w", err)
	}
	mergeInto(target, patch)
	return json.Marshal(target)
}

func mergeInto(target, patch map[string]any) {
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			inner, ok := target[name].(map[string]any)
			if !ok {
				inner = map[string]any{}
			}
			mergeInto(inner, v)
			target[name] = inner
		default:
			target[name] = v
		}
	}
}

// The bounds of settings, as at Amity: 24 events, 10 roles a list.
const (
	maxToggles     = 100
	maxFilterRoles = 10
)

func checkToggles(t *chatbell.Toggles, k *checker) {
	if len(t.Modules) > maxToggles {
		k.add("/modules", "must be at most %d", maxToggles)
		return
	}
	if len(t.Events) > maxToggles {
		k.add("/events", "must be at most %d", maxToggles)
		return
	}
	for i, m := range t.Modules {
		at := fmt.Sprintf("/modules/%d", i)
		if !namePattern.MatchString(string(m.Name)) {
			k.add(at+"/name", "must be a module's name, for example chat")
		}
		checkFilter(at+"/roles/include", m.Roles.Include, k)
		checkFilter(at+"/roles/exclude", m.Roles.Exclude, k)
	}
	for i, e := range t.Events {
		if !typePattern.MatchString(string(e.Name)) {
			k.add(fmt.Sprintf("/events/%d/name", i), "must be an event type, for example message.created")
		}
	}
}

func checkFilter(pointer string, roles []string, k *checker) {
	if len(roles) > maxFilterRoles {
		k.add(pointer, "must be at most %d", maxFilterRoles)
		return
	}
	k.roles(pointer, roles)
}

func checkUserSettings(s *chatbell.UserSettings, k *checker) {
	checkToggles(&s.Toggles, k)
	q := s.QuietHours
	if q == nil {
		return
	}
	checkClock("/quiet_hours/from", q.From, k)
	checkClock("/quiet_hours/to", q.To, k)
	k.timezone("/quiet_hours/timezone", q.Timezone)
}

func checkClock(pointer, v string, k *checker) {
	if _, err := time.Parse("15:04", v); err != nil || len(v) != 5 {
		k.add(pointer, "must be HH:MM, for example 22:00")
	}
}

func checkChannelSettings(s *chatbell.ChannelSettings, k *checker) { checkToggles(&s.Toggles, k) }

func (a *api) getNetworkSettings(c echo.Context) error {
	t, err := a.state.NetworkSettings(c.Request().Context(), callerOf(c).network)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, t)
}

func (a *api) putNetworkSettings(c echo.Context) error {
	n := callerOf(c).network
	return change(c,
		func(ctx context.Context) (chatbell.Toggles, error) { return a.state.NetworkSettings(ctx, n) }, checkToggles,
		func(ctx context.Context, t chatbell.Toggles) error { return a.state.PutNetworkSettings(ctx, n, t) })
}

func (a *api) getUserSettings(c echo.Context) error {
	user, err := ownUser(c)
	if err != nil {
		return err
	}
	s, err := a.state.UserSettings(c.Request().Context(), callerOf(c).network, user)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, s)
}

func (a *api) putUserSettings(c echo.Context) error {
	user, err := ownUser(c)
	if err != nil {
		return err
	}
	n := callerOf(c).network
	return change(c,
		func(ctx context.Context) (chatbell.UserSettings, error) { return a.state.UserSettings(ctx, n, user) }, checkUserSettings,
		func(ctx context.Context, s chatbell.UserSettings) error {
			return a.state.PutUserSettings(ctx, n, user, s)
		})
}

func (a *api) getChannelSettings(c echo.Context) error {
	user, err := ownUser(c)
	if err != nil {
		return err
	}
	channel, err := pathID(c, "channel")
	if err != nil {
		return err
	}
	s, err := a.state.ChannelSettings(c.Request().Context(), callerOf(c).network, user, chatbell.ChannelID(channel))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, s)
}

func (a *api) putChannelSettings(c echo.Context) error {
	user, err := ownUser(c)
	if err != nil {
		return err
	}
	id, err := pathID(c, "channel")
	if err != nil {
		return err
	}
	n, channel := callerOf(c).network, chatbell.ChannelID(id)
	return change(c,
		func(ctx context.Context) (chatbell.ChannelSettings, error) {
			return a.state.ChannelSettings(ctx, n, user, channel)
		}, checkChannelSettings,
		func(ctx context.Context, s chatbell.ChannelSettings) error {
			return a.state.PutChannelSettings(ctx, n, user, channel, s)
		})
}
