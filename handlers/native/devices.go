package native

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/internal/store"
	"chatbell/pipeline/push/providers"
)

func (a *api) deviceRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodPost, Path: "/v1/devices", Handle: a.postDevice, Access: web.Users, Doc: docRegisterDevice},
		{Method: http.MethodGet, Path: "/v1/devices", Handle: a.getDevices, Access: web.Users, Doc: docListDevices},
		{Method: http.MethodDelete, Path: "/v1/devices", Handle: a.deleteDeviceByQuery, Access: web.Users, Doc: docUnregisterDevice},
		{Method: http.MethodDelete, Path: "/v1/devices/:id", Handle: a.deleteDevice, Access: web.Users, Doc: docDeleteDevice},
	}
}

// The bounds of a device, as at Amity: tokens of 1,000 characters. A provider can have
// bounds of its own.
const (
	maxToken    = 1000
	maxMeta     = 32
	maxMetaText = 500
)

// checkDevice says what is wrong with a device, and writes its token in the one form in
// which it is kept.
func checkDevice(dev *chatbell.Device) error {
	check := &web.Checker{}
	if dev.ID != "" {
		check.ID("/device_id", string(dev.ID))
	}
	check.ID("/user", string(dev.User))
	provider, ok := providers.Find(dev.Provider)
	switch {
	case ok && dev.Platform == "":
		dev.Platform = provider.Platform
	case ok:
	case dev.Provider == chatbell.ProviderWebPush || dev.Provider == chatbell.ProviderHMS:
		check.Add("/provider", "%s is not in this build; there are %s", dev.Provider, namesOf(providers.Names(), "and"))
	default:
		check.Add("/provider", "must be %s", namesOf(providers.Names(), "or"))
	}
	if dev.Platform != "" && !slices.Contains(chatbell.Platforms[:], dev.Platform) {
		check.Add("/platform", "must be ios, android or web")
	}
	switch n := utf8.RuneCountInString(dev.Token); {
	case n < 1 || n > maxToken:
		check.Add("/token", "must have 1 to %d characters", maxToken)
	case strings.ContainsFunc(dev.Token, unicode.IsControl):
		check.Add("/token", "must not contain control characters")
	case ok:
		token, err := provider.Token(dev.Token)
		if err != nil {
			check.Add("/token", "%s", err.Error())
			break
		}
		dev.Token = token
	}
	check.Short("/app", dev.App, chatbell.MaxIDLength)
	check.Locale("/locale", dev.Locale)
	check.Timezone("/timezone", dev.Timezone)
	checkMeta(check, dev.Meta)
	return check.Result()
}

// namesOf lists names in words: apns, fcm or webpush.
func namesOf[S ~string](names []S, last string) string {
	var out strings.Builder
	for i, name := range names {
		switch {
		case i > 0 && i == len(names)-1:
			out.WriteString(" " + last + " ")
		case i > 0:
			out.WriteString(", ")
		}
		out.WriteString(string(name))
	}
	return out.String()
}

func checkMeta(check *web.Checker, meta map[string]string) {
	if len(meta) > maxMeta {
		check.Add("/meta", "must have at most %d entries", maxMeta)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		switch {
		case len(name) > chatbell.MaxIDLength:
			check.Add("/meta", "must have names of at most %d bytes", chatbell.MaxIDLength)
		case len(meta[name]) > maxMetaText:
			check.Add("/meta"+web.Escaped(name), "must have at most %d bytes", maxMetaText)
		}
	}
}

var errDeviceTaken = web.NewProblem(http.StatusConflict, "this device_id is another user's; choose another, or remove the device with that user's token or a server key first")

func (a *api) postDevice(c echo.Context) error {
	var in deviceInput
	if err := web.ReadJSON(c, &in); err != nil {
		return err
	}
	dev := in.device()
	who := web.CallerOf(c)
	if who.User != "" {
		if dev.User != "" && dev.User != who.User {
			return web.ErrUserToken
		}
		dev.User = who.User
	}
	if err := checkDevice(&dev); err != nil {
		return err
	}
	register := a.state.RegisterDevice
	if who.User != "" {
		register = a.state.RegisterOwnDevice
	}
	dev, err := register(c.Request().Context(), who.Network, dev)
	if errors.Is(err, store.ErrTaken) {
		return errDeviceTaken
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, registered{ID: dev.ID, DeviceID: dev.ID})
}

func (a *api) getDevices(c echo.Context) error {
	after, limit, err := web.Page(c)
	if err != nil {
		return err
	}
	who := web.CallerOf(c)
	user := chatbell.UserID(c.QueryParam("user"))
	if detail := web.CheckID(string(user)); user != "" && detail != "" {
		return web.Invalid(web.Field("/user", "%s", detail))
	}
	if who.User != "" {
		if user != "" && user != who.User {
			return web.ErrUserToken
		}
		user = who.User
	}
	devices, err := a.state.Devices(c.Request().Context(), who.Network, store.DeviceFilter{
		User:  user,
		After: chatbell.DeviceID(after),
		Limit: limit,
	})
	if err != nil {
		return err
	}
	out := devicePage{Devices: make([]device, len(devices))}
	for i := range devices {
		out.Devices[i] = deviceOf(&devices[i])
	}
	if len(devices) == limit {
		out.Next = web.CursorAfter(string(devices[limit-1].ID))
	}
	return c.JSON(http.StatusOK, out)
}

func (a *api) deleteDevice(c echo.Context) error {
	id, err := web.PathID(c, "id")
	if err != nil {
		return err
	}
	return a.removeDevice(c, chatbell.DeviceID(id), web.CallerOf(c).User)
}

// deleteDeviceByQuery unregisters as apps do: with a user it acts only if the device
// is that user's.
func (a *api) deleteDeviceByQuery(c echo.Context) error {
	id := c.QueryParam("device_id")
	user := c.QueryParam("user")
	check := &web.Checker{}
	check.ID("/device_id", id)
	if c.QueryParams().Has("user") { // an empty one is a caller's mistake, not "whoever it is"
		check.ID("/user", user)
	}
	if err := check.Result(); err != nil {
		return err
	}
	who := web.CallerOf(c)
	if who.User != "" {
		if user != "" && chatbell.UserID(user) != who.User {
			return web.ErrUserToken
		}
		user = string(who.User)
	}
	return a.removeDevice(c, chatbell.DeviceID(id), chatbell.UserID(user))
}

func (a *api) removeDevice(c echo.Context, id chatbell.DeviceID, onlyIf chatbell.UserID) error {
	ok, err := a.state.DeleteDevice(c.Request().Context(), web.CallerOf(c).Network, id, onlyIf)
	if err != nil {
		return err
	}
	if !ok {
		return chatbell.ErrNotFound
	}
	return c.NoContent(http.StatusNoContent)
}
