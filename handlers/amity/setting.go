package amity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatbell"
	"chatbell/handlers/web"
)

// settingInput is a setting that is to be saved. What it does not say stays as it is.
type settingInput struct {
	Level            string          `json:"level" required:"true" enum:"user,channel,network" description:"Whose it is: a user's, a user's for one channel, or, for administration only, the network's."`
	IsPushNotifiable *bool           `json:"isPushNotifiable,omitempty" description:"Whether notifications are on. For a channel whose mode is subscribe true opts in."`
	ChannelID        string          `json:"channelId,omitempty" description:"The channel, for that level."`
	CommunityID      string          `json:"communityId,omitempty" description:"Refused: chatbell has no communities."`
	UserID           chatbell.UserID `json:"userId,omitempty" minLength:"0" description:"The user, where a backend calls; with a user's own token it is that user. Not known to Amity."`
	NotifiableEvents []eventInput    `json:"notifiableEvents,omitempty" maxItems:"50" description:"What is said of single modules and events."`

	SnoozeUntil  json.RawMessage `json:"snoozeUntil,omitempty" description:"Level user: until then the user is told nothing, RFC 3339; null ends it. Not known to Amity."`
	QuietHours   json.RawMessage `json:"quietHours,omitempty" description:"Level user: from, to (HH:MM) and timezone of a daily time without notifications; null ends it. Not known to Amity."`
	MentionsOnly *bool           `json:"mentionsOnly,omitempty" description:"Level channel: only messages that mention the user are told. Not known to Amity."`

	snooze *time.Time
	hours  *chatbell.QuietHours
}

// eventInput is what is said of one event, or of a module: that is named by moduleName
// alone, or, as the Flutter SDK does it, by name.
type eventInput struct {
	Name              string    `json:"name,omitempty" description:"The event, in Amity's name, or a module."`
	ModuleName        string    `json:"moduleName,omitempty" enum:"chat,social,video-streaming" description:"The event's module; without a name the module itself."`
	IsPushNotifiable  *bool     `json:"isPushNotifiable,omitempty" description:"Whether its notifications are on."`
	ListenFromRoleIDs *[]string `json:"listenFromRoleIds,omitempty" maxItems:"10" itemMinLength:"1" itemMaxLength:"150" description:"If there are any, only events of people with one of these roles are told."`
	IgnoreFromRoleIDs *[]string `json:"ignoreFromRoleIds,omitempty" maxItems:"10" itemMinLength:"1" itemMaxLength:"150" description:"Events of people with one of these roles are not told."`
	TitleTemplate     string    `json:"titleTemplate,omitempty" description:"Refused: texts are kept in the configuration, networks.templates."`
	BodyTemplate      string    `json:"bodyTemplate,omitempty" description:"Refused, as titleTemplate."`
}

// setting is a setting as it is read.
type setting struct {
	IsPushNotifiable bool           `json:"isPushNotifiable" required:"true" description:"Whether notifications are on at this level; for a channel its mode is looked at, too."`
	IsUserEnabled    *bool          `json:"isUserEnabled,omitempty" description:"Level channel: whether the user has notifications on at all."`
	NotifiableEvents []settingEvent `json:"notifiableEvents" required:"true" nullable:"false" description:"The modules, then the events of which something is said at this level; for the network all events of chats."`

	NotificationMode chatbell.NotificationMode `json:"notificationMode,omitempty" enum:"default,silent,subscribe" description:"Level channel: the channel's mode."`
	SnoozeUntil      *time.Time                `json:"snoozeUntil,omitempty" description:"Level user: until then the user is told nothing."`
	QuietHours       *chatbell.QuietHours      `json:"quietHours,omitempty" description:"Level user: a daily time without notifications."`
	MentionsOnly     *bool                     `json:"mentionsOnly,omitempty" description:"Level channel: whether only messages that mention the user are told."`
}

// settingEvent is what is set for a module or an event.
type settingEvent struct {
	Name              string          `json:"name" required:"true" description:"The event or the module."`
	EventName         string          `json:"eventName,omitempty" description:"The event's name again; absent for a module."`
	ModuleName        chatbell.Module `json:"moduleName" required:"true" description:"The module."`
	IsPushNotifiable  bool            `json:"isPushNotifiable" required:"true" description:"Whether its notifications are on at this level."`
	IsNetworkEnabled  bool            `json:"isNetworkEnabled" required:"true" description:"Whether the network has them on."`
	ListenFromRoleIDs []string        `json:"listenFromRoleIds" required:"true" nullable:"false" description:"If there are any, only events of people with one of these roles are told."`
	IgnoreFromRoleIDs []string        `json:"ignoreFromRoleIds" required:"true" nullable:"false" description:"Events of people with one of these roles are not told."`
	Parameters        []string        `json:"parameters" required:"true" nullable:"false" description:"The placeholders that a text of it may have."`
}

// Bounds as at Amity.
const (
	maxNotifiable = 50
	maxRoles      = 10
)

// change reads what the body says, or what is wrong with it.
func (in *settingInput) change(level string) (*changes, error) {
	check := &web.Checker{}
	out := &changes{enabled: in.IsPushNotifiable}
	if len(in.NotifiableEvents) > maxNotifiable {
		check.Add("/notifiableEvents", "must have at most %d elements", maxNotifiable)
		return nil, check.Result()
	}
	seen := map[string]bool{}
	for i := range in.NotifiableEvents {
		one := &in.NotifiableEvents[i]
		at := place("/notifiableEvents", i)
		made := entryChange{enabled: one.IsPushNotifiable, include: one.ListenFromRoleIDs, exclude: one.IgnoreFromRoleIDs}
		isModule := one.resolve(check, at, &made)
		if seen[made.name] {
			check.Add(at+"/name", "is given twice")
		}
		seen[made.name] = true
		checkRoles(check, at+"/listenFromRoleIds", made.include)
		checkRoles(check, at+"/ignoreFromRoleIds", made.exclude)
		if one.TitleTemplate != "" {
			check.Add(at+"/titleTemplate", "cannot be set here: texts are kept in the configuration, networks.templates")
		}
		if one.BodyTemplate != "" {
			check.Add(at+"/bodyTemplate", "cannot be set here: texts are kept in the configuration, networks.templates")
		}
		if isModule {
			out.modules = append(out.modules, made)
		} else {
			out.events = append(out.events, made)
		}
	}
	in.checkOwn(check, level)
	return out, check.Result()
}

// resolve finds what an entry is about, and reports whether it is a module.
func (e *eventInput) resolve(check *web.Checker, at string, out *entryChange) bool {
	isModule := func(name string) bool { return slices.Contains(modules, chatbell.Module(name)) }
	if e.ModuleName != "" && !isModule(e.ModuleName) {
		check.Add(at+"/moduleName", "must be chat, social or video-streaming")
	}
	switch known, ok := byName[e.Name]; {
	case e.Name == "" && e.ModuleName == "":
		check.Add(at+"/name", "is required: an event, or a module")
	case e.Name == "":
		out.name = e.ModuleName
		return true
	case isModule(e.Name):
		if e.ModuleName != "" && e.ModuleName != e.Name {
			check.Add(at+"/moduleName", "must be %s, as name is, or be left out", e.Name)
		}
		out.name = e.Name
		return true
	case !ok:
		check.Add(at+"/name", "must be one of Amity's events, for example message.created, or a module")
	default:
		if e.ModuleName != "" && e.ModuleName != string(known.module) {
			check.Add(at+"/moduleName", "must be %s, the module of %s", known.module, known.amity)
		}
		out.name = string(known.typ)
	}
	return false
}

func checkRoles(check *web.Checker, at string, roles *[]string) {
	if roles == nil {
		return
	}
	if len(*roles) > maxRoles {
		check.Add(at, "must have at most %d elements", maxRoles)
		return
	}
	check.Roles(at, *roles)
}

var null = []byte("null")

// checkOwn reads what Amity does not know.
func (in *settingInput) checkOwn(check *web.Checker, level string) {
	if level != levelUser && (in.SnoozeUntil != nil || in.QuietHours != nil) {
		check.Add("/level", "must be user where snoozeUntil or quietHours is given")
	}
	if level != levelChannel && in.MentionsOnly != nil {
		check.Add("/level", "must be channel where mentionsOnly is given")
	}
	if in.SnoozeUntil != nil && !bytes.Equal(in.SnoozeUntil, null) {
		in.snooze = new(time.Time)
		if json.Unmarshal(in.SnoozeUntil, in.snooze) != nil {
			check.Add("/snoozeUntil", "must be an RFC 3339 time, for example 2026-11-20T10:00:00Z, or null")
		}
	}
	if in.QuietHours == nil || bytes.Equal(in.QuietHours, null) {
		return
	}
	in.hours = new(chatbell.QuietHours)
	if err := json.Unmarshal(in.QuietHours, in.hours); err != nil {
		wrong := web.JSONError(err, in.QuietHours, in.hours)
		check.Add("/quietHours"+wrong.Pointer, "%s", wrong.Detail)
		return
	}
	for _, clock := range []struct{ name, value string }{{"from", in.hours.From}, {"to", in.hours.To}} {
		if _, err := time.Parse("15:04", clock.value); err != nil || len(clock.value) != 5 {
			check.Add("/quietHours/"+clock.name, "must be HH:MM, for example 22:00")
		}
	}
	check.Timezone("/quietHours/timezone", in.hours.Timezone)
}

// quiet sets what Amity does not know of a user's settings.
func (in *settingInput) quiet(s *chatbell.UserSettings) {
	if in.SnoozeUntil != nil {
		s.SnoozeUntil = time.Time{}
		if in.snooze != nil {
			s.SnoozeUntil = *in.snooze
		}
	}
	if in.QuietHours != nil {
		s.QuietHours = in.hours
	}
}

func isOn(b *bool) bool { return b == nil || *b }

// eventsOf lists what a level has set, modules first. The network's own are listed whole.
func eventsOf(network, level *chatbell.Toggles, all bool) []settingEvent {
	out := []settingEvent{}
	for _, name := range modules {
		entry := settingEvent{Name: string(name), ModuleName: name, Parameters: []string{}}
		roles := chatbell.RoleFilter{}
		entry.IsPushNotifiable = moduleOn(level, name, &roles)
		entry.IsNetworkEnabled = isOn(network.Enabled) && moduleOn(network, name, new(chatbell.RoleFilter))
		out = append(out, entry.with(roles))
	}
	listed := map[chatbell.EventType]bool{}
	add := func(typ chatbell.EventType) {
		if listed[typ] {
			return
		}
		listed[typ] = true
		name, ok := byType[typ]
		if !ok {
			name = eventName{amity: string(typ), typ: typ, module: moduleChat}
		}
		entry := settingEvent{Name: name.amity, EventName: name.amity, ModuleName: name.module, Parameters: []string{"user", "channel"}}
		roles := chatbell.RoleFilter{}
		entry.IsPushNotifiable = eventOn(level, typ, &roles)
		entry.IsNetworkEnabled = isOn(network.Enabled) && moduleOn(network, name.module, new(chatbell.RoleFilter)) && eventOn(network, typ, new(chatbell.RoleFilter))
		out = append(out, entry.with(roles))
	}
	if all {
		for _, name := range chatEvents {
			add(byName[name].typ)
		}
	}
	for i := range level.Events {
		add(level.Events[i].Name)
	}
	return out
}

func (e settingEvent) with(roles chatbell.RoleFilter) settingEvent {
	e.ListenFromRoleIDs = nonNil(roles.Include)
	e.IgnoreFromRoleIDs = nonNil(roles.Exclude)
	return e
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func moduleOn(t *chatbell.Toggles, name chatbell.Module, roles *chatbell.RoleFilter) bool {
	on := true
	for i := range t.Modules {
		if t.Modules[i].Name == name {
			on = on && isOn(t.Modules[i].Enabled)
			*roles = t.Modules[i].Roles
		}
	}
	return on
}

func eventOn(t *chatbell.Toggles, typ chatbell.EventType, roles *chatbell.RoleFilter) bool {
	on := true
	for i := range t.Events {
		if t.Events[i].Name == typ {
			on = on && isOn(t.Events[i].Enabled)
			*roles = t.Events[i].Roles
		}
	}
	return on
}

func networkSetting(t *chatbell.Toggles) setting {
	return setting{IsPushNotifiable: isOn(t.Enabled), NotifiableEvents: eventsOf(t, t, true)}
}

func userSetting(network *chatbell.Toggles, s *chatbell.UserSettings) setting {
	out := setting{IsPushNotifiable: isOn(s.Enabled), NotifiableEvents: eventsOf(network, &s.Toggles, false), QuietHours: s.QuietHours}
	if !s.SnoozeUntil.IsZero() {
		out.SnoozeUntil = &s.SnoozeUntil
	}
	return out
}

// channelSetting reads a user's settings for a channel, which may have a mode that says
// more than they do.
func (a *api) channelSetting(ctx context.Context, at *scope, network *chatbell.Toggles) (setting, error) {
	own, err := a.state.ChannelSettings(ctx, at.network, at.user, at.channel)
	if err != nil {
		return setting{}, err
	}
	user, err := a.state.UserSettings(ctx, at.network, at.user)
	if err != nil {
		return setting{}, err
	}
	channel, err := a.state.Channel(ctx, at.network, at.channel)
	if err != nil && !errors.Is(err, chatbell.ErrNotFound) {
		return setting{}, fmt.Errorf("read the channel's mode: %w", err)
	}
	enabled := isOn(user.Enabled)
	out := setting{
		IsPushNotifiable: isOn(own.Enabled),
		IsUserEnabled:    &enabled,
		NotifiableEvents: eventsOf(network, &own.Toggles, false),
		NotificationMode: channel.NotificationMode,
		MentionsOnly:     &own.MentionsOnly,
	}
	switch channel.NotificationMode {
	case chatbell.ModeSilent:
		out.IsPushNotifiable = false
	case chatbell.ModeDefault:
	case chatbell.ModeSubscribe:
		out.IsPushNotifiable = own.Enabled != nil && *own.Enabled
	}
	return out, nil
}
