package native

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/push/providers"
)

func (a *api) deviceRoutes() []route {
	return []route{
		{http.MethodPost, "/v1/devices", a.postDevice, users, docRegisterDevice},
		{http.MethodGet, "/v1/devices", a.getDevices, users, docListDevices},
		{http.MethodDelete, "/v1/devices", a.deleteDeviceByQuery, users, docUnregisterDevice},
		{http.MethodDelete, "/v1/devices/:id", a.deleteDevice, users, docDeleteDevice},
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
func checkDevice(d *chatbell.Device) error {
	k := &checker{}
	if d.ID != "" {
		k.id("/device_id", string(d.ID))
	}
	k.id("/user", string(d.User))
	provider, ok := providers.Find(d.Provider)
	switch {
	case ok && d.Platform == "":
		d.Platform = provider.Platform
	case ok:
	case d.Provider == chatbell.ProviderWebPush || d.Provider == chatbell.ProviderHMS:
		k.add("/provider", "%s is not in this build; there are %s", d.Provider, namesOf(providers.Names(), "and"))
	default:
		k.add("/provider", "must be %s", namesOf(providers.Names(), "or"))
	}
	if d.Platform != "" && !slices.Contains(chatbell.Platforms[:], d.Platform) {
		k.add("/platform", "must be ios, android or web")
	}
	switch n := utf8.RuneCountInString(d.Token); {
	case n < 1 || n > maxToken:
		k.add("/token", "must have 1 to %d characters", maxToken)
	case strings.ContainsFunc(d.Token, unicode.IsControl):
		k.add("/token", "must not contain control characters")
	case ok:
		token, err := provider.Token(d.Token)
		if err != nil {
			k.add("/token", "%s", err.Error())
			break
		}
		d.Token = token
	}
	k.short("/app", d.App, chatbell.MaxIDLength)
	k.locale("/locale", d.Locale)
	k.timezone("/timezone", d.Timezone)
	k.meta(d.Meta)
	return k.result()
}

// namesOf lists names in words: apns, fcm or webpush.
func namesOf[S ~string](names []S, last string) string {
	var b strings.Builder
	for i, name := range names {
		switch {
		case i > 0 && i == len(names)-1:
			b.WriteString(" " + last + " ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(name))
	}
	return b.String()
}

func (k *checker) meta(meta map[string]string) {
	if len(meta) > maxMeta {
		k.add("/meta", "must have at most %d entries", maxMeta)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		switch {
		case len(name) > chatbell.MaxIDLength:
			k.add("/meta", "must have names of at most %d bytes", chatbell.MaxIDLength)
		case len(meta[name]) > maxMetaText:
			k.add("/meta"+escaped(name), "must have at most %d bytes", maxMetaText)
		}
	}
}

func (a *api) postDevice(c echo.Context) error {
	var in deviceInput
	if err := readJSON(c, &in); err != nil {
		return err
	}
	d := in.device()
	who := callerOf(c)
	if who.user != "" {
		if d.User != "" && d.User != who.user {
			return errUserToken
		}
		d.User = who.user
	}
	if err := checkDevice(&d); err != nil {
		return err
	}
	d, err := a.state.RegisterDevice(c.Request().Context(), who.network, d)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, registered{ID: d.ID, DeviceID: d.ID})
}

func (a *api) getDevices(c echo.Context) error {
	after, limit, err := page(c)
	if err != nil {
		return err
	}
	who, user := callerOf(c), chatbell.UserID(c.QueryParam("user"))
	if detail := checkID(string(user)); user != "" && detail != "" {
		return invalid(field("/user", "%s", detail))
	}
	if who.user != "" {
		if user != "" && user != who.user {
			return errUserToken
		}
		user = who.user
	}
	devices, err := a.state.Devices(c.Request().Context(), who.network, store.DeviceFilter{User: user, After: chatbell.DeviceID(after), Limit: limit})
	if err != nil {
		return err
	}
	out := devicePage{Devices: make([]device, len(devices))}
	for i := range devices {
		out.Devices[i] = deviceOf(&devices[i])
	}
	if len(devices) == limit {
		out.Next = cursorAfter(string(devices[limit-1].ID))
	}
	return c.JSON(http.StatusOK, out)
}

func (a *api) deleteDevice(c echo.Context) error {
	id, err := pathID(c, "id")
	if err != nil {
		return err
	}
	return a.removeDevice(c, chatbell.DeviceID(id), callerOf(c).user)
}

// deleteDeviceByQuery unregisters as apps do: with a user it acts only if the device
// is that user's.
func (a *api) deleteDeviceByQuery(c echo.Context) error {
	id, user := c.QueryParam("device_id"), c.QueryParam("user")
	k := &checker{}
	k.id("/device_id", id)
	if c.QueryParams().Has("user") { // an empty one is a caller's mistake, not "whoever it is"
		k.id("/user", user)
	}
	if err := k.result(); err != nil {
		return err
	}
	who := callerOf(c)
	if who.user != "" {
		if user != "" && chatbell.UserID(user) != who.user {
			return errUserToken
		}
		user = string(who.user)
	}
	return a.removeDevice(c, chatbell.DeviceID(id), chatbell.UserID(user))
}

func (a *api) removeDevice(c echo.Context, id chatbell.DeviceID, onlyIf chatbell.UserID) error {
	ok, err := a.state.DeleteDevice(c.Request().Context(), callerOf(c).network, id, onlyIf)
	if err != nil {
		return err
	}
	if !ok {
		return chatbell.ErrNotFound
	}
	return c.NoContent(http.StatusNoContent)
}
