package native

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/internal/store"
)

// State is what the state calls read and write. What does not exist is
// chatbell.ErrNotFound.
type State interface {
	Users
	Channels
	Devices
	Settings
}

// Users keeps the people of a network.
type Users interface {
	User(ctx context.Context, network chatbell.NetworkID, id chatbell.UserID) (chatbell.User, error)
	PutUser(ctx context.Context, network chatbell.NetworkID, u chatbell.User) error
	DeleteUser(ctx context.Context, network chatbell.NetworkID, id chatbell.UserID) error
}

// Channels keeps channels and who is in them.
type Channels interface {
	Channel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) (chatbell.Channel, error)
	PutChannel(ctx context.Context, network chatbell.NetworkID, c chatbell.Channel) error
	DeleteChannel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) error
	PutMember(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, m chatbell.Member) error
	DeleteMember(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, user chatbell.UserID) error
	Members(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, after chatbell.UserID, limit int) ([]chatbell.Member, error)
	ReplaceMembers(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, members iter.Seq2[chatbell.Member, error]) (int, error)
}

// Devices keeps push tokens.
type Devices interface {
	RegisterDevice(ctx context.Context, network chatbell.NetworkID, d chatbell.Device) (chatbell.Device, error)
	Device(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID) (chatbell.Device, error)
	Devices(ctx context.Context, network chatbell.NetworkID, f store.DeviceFilter) ([]chatbell.Device, error)
	DeleteDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, onlyIf chatbell.UserID) (bool, error)
}

// Settings keeps the toggles of the three levels.
type Settings interface {
	NetworkSettings(ctx context.Context, network chatbell.NetworkID) (chatbell.Toggles, error)
	PutNetworkSettings(ctx context.Context, network chatbell.NetworkID, t chatbell.Toggles) error
	UserSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID) (chatbell.UserSettings, error)
	PutUserSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, s chatbell.UserSettings) error
	ChannelSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, channel chatbell.ChannelID) (chatbell.ChannelSettings, error)
	PutChannelSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, channel chatbell.ChannelID, s chatbell.ChannelSettings) error
}

// pathID reads an identifier from the path. The router matches the path as it was
// sent only where decoding loses something; otherwise it is decoded already.
func pathID(c echo.Context, name string) (id string, err error) {
	if id = c.Param(name); c.Request().URL.RawPath != "" {
		id, err = url.PathUnescape(id)
	}
	if err != nil || !utf8.ValidString(id) {
		return "", invalid(field("/"+name, "must be UTF-8, percent-encoded where needed"))
	}
	if detail := checkID(id); detail != "" {
		return "", invalid(field("/"+name, "%s", detail))
	}
	return id, nil
}

// readJSON reads one JSON object into v. Unknown fields are ignored.
func readJSON(c echo.Context, v any) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	return decodeObject(body, v)
}

func decodeObject(body []byte, v any) error {
	if !utf8.Valid(body) {
		return invalid(field("", "must be valid UTF-8"))
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return invalid(field("", "must be a JSON object"))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return invalid(jsonError(err, body, v))
	}
	if errs := checkOutline(body); len(errs) > 0 {
		return invalid(errs...)
	}
	return nil
}

// result turns collected mistakes into a problem.
func (k *checker) result() error {
	if len(k.errs) == 0 {
		return nil
	}
	return invalid(k.errs...)
}

// The bounds of a list's page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// page reads limit and cursor; a cursor is the last id of the page before, encoded
// so that nobody reads a meaning into it.
func page(c echo.Context) (after string, limit int, err error) {
	limit = defaultLimit
	if s := c.QueryParam("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxLimit {
			return "", 0, invalid(field("/limit", "must be a whole number from 1 to %d", maxLimit))
		}
	}
	if s := c.QueryParam("cursor"); s != "" {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || !utf8.Valid(raw) {
			return "", 0, invalid(field("/cursor", "must be the next_cursor of an earlier answer"))
		}
		after = string(raw)
	}
	return after, limit, nil
}

// cursorAfter goes on after the last id of a full page: there may be more.
func cursorAfter(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }
