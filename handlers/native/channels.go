package native

import (
	"cmp"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
)

func (a *api) channelRoutes() []route {
	const channel, member = "/v1/channels/:channel", "/v1/channels/:channel/members/:user"
	return []route{
		{http.MethodPut, channel, a.putChannel, server, docPutChannel},
		{http.MethodGet, channel, a.getChannel, server, docGetChannel},
		{http.MethodDelete, channel, a.deleteChannel, server, docDeleteChannel},
		{http.MethodGet, channel + "/members", a.getMembers, server, docListMembers},
		{http.MethodPut, channel + "/members", a.putMembers, server, docReplaceMembers},
		{http.MethodPut, member, a.putMember, server, docPutMember},
		{http.MethodDelete, member, a.deleteMember, server, docDeleteMember},
	}
}

func (a *api) putChannel(c echo.Context) error {
	id, err := pathID(c, "channel")
	if err != nil {
		return err
	}
	var in channelInput
	if err := readJSON(c, &in); err != nil {
		return err
	}
	k := &checker{}
	k.samePathID(string(in.ID), id)
	ch := chatbell.Channel(in)
	ch.ID = chatbell.ChannelID(id)
	k.short("/name", ch.Name, maxName)
	k.short("/type", ch.Type, chatbell.MaxIDLength)
	ch.NotificationMode = cmp.Or(ch.NotificationMode, chatbell.ModeDefault)
	if !slices.Contains(chatbell.NotificationModes[:], ch.NotificationMode) {
		k.add("/notification_mode", "must be default, silent or subscribe")
	}
	if err := k.result(); err != nil {
		return err
	}
	if err := a.state.PutChannel(c.Request().Context(), callerOf(c).network, ch); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, ch)
}

func (a *api) getChannel(c echo.Context) error {
	id, err := pathID(c, "channel")
	if err != nil {
		return err
	}
	ch, err := a.state.Channel(c.Request().Context(), callerOf(c).network, chatbell.ChannelID(id))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, ch)
}

func (a *api) deleteChannel(c echo.Context) error {
	id, err := pathID(c, "channel")
	if err != nil {
		return err
	}
	if err := a.state.DeleteChannel(c.Request().Context(), callerOf(c).network, chatbell.ChannelID(id)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func memberIDs(c echo.Context) (chatbell.ChannelID, chatbell.UserID, error) {
	channel, err := pathID(c, "channel")
	if err != nil {
		return "", "", err
	}
	user, err := pathID(c, "user")
	return chatbell.ChannelID(channel), chatbell.UserID(user), err
}

func (a *api) putMember(c echo.Context) error {
	channel, user, err := memberIDs(c)
	if err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	var in memberInput
	if len(body) > 0 {
		if err := decodeObject(body, &in); err != nil {
			return err
		}
	}
	k := &checker{}
	k.samePathID(string(in.ID), string(user))
	m := member(in)
	m.ID = user
	m.check(k, "")
	if err := k.result(); err != nil {
		return err
	}
	if err := a.state.PutMember(c.Request().Context(), callerOf(c).network, channel, m.member()); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, m)
}

func (a *api) deleteMember(c echo.Context) error {
	channel, user, err := memberIDs(c)
	if err != nil {
		return err
	}
	if err := a.state.DeleteMember(c.Request().Context(), callerOf(c).network, channel, user); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (a *api) getMembers(c echo.Context) error {
	id, err := pathID(c, "channel")
	if err != nil {
		return err
	}
	after, limit, err := page(c)
	if err != nil {
		return err
	}
	ctx, network, channel := c.Request().Context(), callerOf(c).network, chatbell.ChannelID(id)
	if _, err := a.state.Channel(ctx, network, channel); err != nil {
		return err
	}
	members, err := a.state.Members(ctx, network, channel, chatbell.UserID(after), limit)
	if err != nil {
		return err
	}
	out := memberPage{Members: make([]member, len(members))}
	for i, m := range members {
		out.Members[i] = member{ID: m.ID, Name: m.Name, Locale: m.Locale, Timezone: m.Timezone, Roles: m.ChannelRoles}
	}
	if len(members) == limit {
		out.Next = cursorAfter(string(members[limit-1].ID))
	}
	return c.JSON(http.StatusOK, out)
}

// putMembers makes a channel's members exactly those of an NDJSON list. A bad line
// changes nothing and is named.
func (a *api) putMembers(c echo.Context) error {
	id, err := pathID(c, "channel")
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	if err != nil || media != "application/x-ndjson" {
		return problem(http.StatusUnsupportedMediaType, "send application/x-ndjson, one member a line")
	}
	if err := uncompressed(c); err != nil {
		return err
	}
	network := callerOf(c).network
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
