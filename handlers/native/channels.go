package native

import (
	"cmp"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
)

func (a *api) channelRoutes() []web.Route {
	const (
		channel = "/v1/channels/:channel"
		member  = "/v1/channels/:channel/members/:user"
	)
	return []web.Route{
		{Method: http.MethodPut, Path: channel, Handle: a.putChannel, Access: web.Server, Doc: docPutChannel},
		{Method: http.MethodGet, Path: channel, Handle: a.getChannel, Access: web.Server, Doc: docGetChannel},
		{Method: http.MethodDelete, Path: channel, Handle: a.deleteChannel, Access: web.Server, Doc: docDeleteChannel},
		{Method: http.MethodGet, Path: channel + "/members", Handle: a.getMembers, Access: web.Server, Doc: docListMembers},
		{Method: http.MethodPut, Path: channel + "/members", Handle: a.putMembers, Access: web.Server, Doc: docReplaceMembers},
		{Method: http.MethodPut, Path: member, Handle: a.putMember, Access: web.Server, Doc: docPutMember},
		{Method: http.MethodDelete, Path: member, Handle: a.deleteMember, Access: web.Server, Doc: docDeleteMember},
	}
}

func (a *api) putChannel(c echo.Context) error {
	id, err := web.PathID(c, "channel")
	if err != nil {
		return err
	}
	var input channelInput
	if err := web.ReadJSON(c, &input); err != nil {
		return err
	}
	check := &web.Checker{}
	check.SamePathID(string(input.ID), id)
	channel := chatbell.Channel(input)
	channel.ID = chatbell.ChannelID(id)
	check.Short("/name", channel.Name, web.MaxName)
	check.Short("/type", channel.Type, chatbell.MaxIDLength)
	channel.NotificationMode = cmp.Or(channel.NotificationMode, chatbell.ModeDefault)
	if !slices.Contains(chatbell.NotificationModes[:], channel.NotificationMode) {
		check.Add("/notification_mode", "must be default, silent or subscribe")
	}
	if err := check.Result(); err != nil {
		return err
	}
	if err := a.state.PutChannel(c.Request().Context(), web.CallerOf(c).Network, channel); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, channel)
}

func (a *api) getChannel(c echo.Context) error {
	id, err := web.PathID(c, "channel")
	if err != nil {
		return err
	}
	channel, err := a.state.Channel(c.Request().Context(), web.CallerOf(c).Network, chatbell.ChannelID(id))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, channel)
}

func (a *api) deleteChannel(c echo.Context) error {
	id, err := web.PathID(c, "channel")
	if err != nil {
		return err
	}
	if err := a.state.DeleteChannel(c.Request().Context(), web.CallerOf(c).Network, chatbell.ChannelID(id)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func memberIDs(c echo.Context) (chatbell.ChannelID, chatbell.UserID, error) {
	channel, err := web.PathID(c, "channel")
	if err != nil {
		return "", "", err
	}
	user, err := web.PathID(c, "user")
	return chatbell.ChannelID(channel), chatbell.UserID(user), err
}

func (a *api) putMember(c echo.Context) error {
	channel, user, err := memberIDs(c)
	if err != nil {
		return err
	}
	body, err := web.ReadBody(c)
	if err != nil {
		return err
	}
	var input memberInput
	if len(body) > 0 {
		if err := web.DecodeObject(body, &input); err != nil {
			return err
		}
	}
	check := &web.Checker{}
	check.SamePathID(string(input.ID), string(user))
	entry := member(input)
	entry.ID = user
	entry.check(check, "")
	if err := check.Result(); err != nil {
		return err
	}
	if err := a.state.PutMember(c.Request().Context(), web.CallerOf(c).Network, channel, entry.member()); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, entry)
}

func (a *api) deleteMember(c echo.Context) error {
	channel, user, err := memberIDs(c)
	if err != nil {
		return err
	}
	if err := a.state.DeleteMember(c.Request().Context(), web.CallerOf(c).Network, channel, user); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (a *api) getMembers(c echo.Context) error {
	id, err := web.PathID(c, "channel")
	if err != nil {
		return err
	}
	after, limit, err := web.Page(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	network := web.CallerOf(c).Network
	channel := chatbell.ChannelID(id)
	if _, err := a.state.Channel(ctx, network, channel); err != nil {
		return err
	}
	members, err := a.state.Members(ctx, network, channel, chatbell.UserID(after), limit)
	if err != nil {
		return err
	}
	out := memberPage{Members: make([]member, len(members))}
	for i, row := range members {
		out.Members[i] = member{
			ID:       row.ID,
			Name:     row.Name,
			Locale:   row.Locale,
			Timezone: row.Timezone,
			Roles:    row.ChannelRoles,
		}
	}
	if len(members) == limit {
		out.Next = web.CursorAfter(string(members[limit-1].ID))
	}
	return c.JSON(http.StatusOK, out)
}

// putMembers makes a channel's members exactly those of an NDJSON list. A bad line
// changes nothing and is named.
func (a *api) putMembers(c echo.Context) error {
	id, err := web.PathID(c, "channel")
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	if err != nil || media != "application/x-ndjson" {
		return web.NewProblem(http.StatusUnsupportedMediaType, "send application/x-ndjson, one member a line")
	}
	if err := web.Uncompressed(c); err != nil {
		return err
	}
	network := web.CallerOf(c).Network
	if err := a.bulk.enter(network); err != nil {
		c.Response().Header().Set("Connection", "close") // nobody has to wait for the end of the list
		return err
	}
	defer a.bulk.leave(network)
	ctl := http.NewResponseController(c.Response())
	_ = ctl.SetReadDeadline(time.Now().Add(bulkTimeout))  // a server without deadlines has none to extend
	_ = ctl.SetWriteDeadline(time.Now().Add(bulkTimeout)) // as above
	body := http.MaxBytesReader(c.Response(), c.Request().Body, maxBulk)
	n, err := a.state.ReplaceMembers(c.Request().Context(), network, chatbell.ChannelID(id), readMembers(body, maxBulkMembers))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, memberCount{n})
}
