package native

import (
	"mime"
	"net/http"
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
		{http.MethodGet, channel + "/members", a.getMembers, server, docGetMembers},
		{http.MethodPut, channel + "/members", a.putMembers, server, docPutMembers},
		{http.MethodPut, member, a.putMember, server, docPutMember},
		{http.MethodDelete, member, a.deleteMember, server, docDeleteMember},
	}
}

func (a *api) putChannel(c echo.Context) error {
	id, err := pathID(c, "channel")
	if err != nil {
		return err
	}
	var ch chatbell.Channel
	if err := readJSON(c, &ch); err != nil {
		return err
	}
	ch.ID = chatbell.ChannelID(id)
	k := &checker{}
	k.short("/name", ch.Name, maxName)
	k.short("/type", ch.Type, chatbell.MaxIDLength)
	switch ch.NotificationMode {
	case "":
		ch.NotificationMode = chatbell.ModeDefault
	case chatbell.ModeDefault, chatbell.ModeSilent, chatbell.ModeSubscribe:
	default:
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

// memberJSON is a member on the wire: its roles are those in the channel.
type memberJSON struct {
	ID       chatbell.UserID `json:"id"`
	Name     string          `json:"name,omitempty"`
	Locale   string          `json:"locale,omitempty"`
	Timezone string          `json:"timezone,omitempty"`
	Roles    []string        `json:"roles,omitempty"`
}

func (m *memberJSON) member() chatbell.Member {
	return chatbell.Member{User: chatbell.User{ID: m.ID, Name: m.Name, Locale: m.Locale, Timezone: m.Timezone}, ChannelRoles: m.Roles}
}

func (m *memberJSON) check(k *checker, pointer string) {
	k.person(pointer, &chatbell.Person{ID: m.ID, Name: m.Name, Locale: m.Locale, Timezone: m.Timezone, Roles: m.Roles})
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
	var m memberJSON
	body, err := readBody(c)
	if err != nil {
		return err
	}
	if len(body) > 0 {
		if err := decodeObject(body, &m); err != nil {
			return err
		}
	}
	m.ID = user
	k := &checker{}
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
	out := make([]memberJSON, len(members))
	for i, m := range members {
		out[i] = memberJSON{ID: m.ID, Name: m.Name, Locale: m.Locale, Timezone: m.Timezone, Roles: m.ChannelRoles}
	}
	return list(c, "members", out, limit, func(m *memberJSON) string { return string(m.ID) })
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
	return c.JSON(http.StatusOK, map[string]int{"members": n})
}
