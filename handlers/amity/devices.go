package amity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/providers"
	"chatbell/rules"
)

func (a *api) deviceRoutes() []web.Route {
	const (
		apps  = "/v1/notification"
		users = "/api/v3/notification"
	)
	return []web.Route{
		{Method: http.MethodPost, Path: apps, Handle: a.postDevice, Access: web.Apps, Doc: docRegister},
		{Method: http.MethodDelete, Path: apps, Handle: a.deleteDevice, Access: web.Apps, Doc: docUnregister},
		{Method: http.MethodPost, Path: users, Handle: a.postDevice, Access: web.Users, Doc: docRegisterOwn},
		{Method: http.MethodDelete, Path: users, Handle: a.deleteDevice, Access: web.Users, Doc: docUnregisterOwn},
	}
}

// deviceInput is a registration. Amity knows the first five.
type deviceInput struct {
	DeviceID chatbell.DeviceID `json:"deviceId" minLength:"0" description:"The device's stable id. Required, but with a user's own token, where one is made of the push token."`
	Platform string            `json:"platform" required:"true" description:"What the device runs: android or ios, in whatever case; also web."`
	Token    string            `json:"token" required:"true" minLength:"1" maxLength:"1000" description:"The push service's token, in its form."`
	UserID   chatbell.UserID   `json:"userId" minLength:"0" description:"Whose device it is from now on. Required, but with a user's own token."`
	Provider string            `json:"provider,omitempty" description:"The push service. Absent, the one that the platform has."`

	App      string `json:"app,omitempty" maxLength:"150" description:"The app, as a credential of the network names it, where there are several. Not known to Amity."`
	Locale   string `json:"locale,omitempty" maxLength:"64" description:"The device's language, a BCP 47 tag. Not known to Amity."`
	Timezone string `json:"timezone,omitempty" description:"The device's IANA time zone. Not known to Amity."`
}

// unregisterInput is the body of an unregistration, as the Flutter SDK sends it.
type unregisterInput struct {
	DeviceID chatbell.DeviceID `json:"deviceId" minLength:"0" description:"The device's id. Required, unless it is in the query."`
	UserID   *chatbell.UserID  `json:"userId,omitempty" description:"Unregister the device only if it is this user's now; absent, whoever has it."`
	Token    string            `json:"token,omitempty" description:"With a user's own token, the push token in place of deviceId."`
}

// done answers what Amity answers to a registration.
type done struct {
	Success bool `json:"success" required:"true" description:"Always true."`
}

// maxToken bounds a token, in characters. A push service may have a bound of its own.
const maxToken = 1000

func (a *api) postDevice(c echo.Context) error {
	var in deviceInput
	if err := web.ReadJSON(c, &in); err != nil {
		return err
	}
	who := web.CallerOf(c)
	if err := in.own(who); err != nil {
		return err
	}
	device, err := in.device()
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := a.mayRegister(ctx, who, &device); err != nil {
		return err
	}
	if _, err := a.state.RegisterDevice(ctx, who.Network, device); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, done{Success: true})
}

// own fills in what a user's token says.
func (in *deviceInput) own(who web.Caller) error {
	if who.User == "" {
		return nil
	}
	if in.UserID != "" && in.UserID != who.User {
		return web.ErrUserToken
	}
	in.UserID = who.User
	if in.DeviceID == "" && in.Token != "" {
		in.DeviceID = deviceOfToken(in.Token)
	}
	return nil
}

// deviceOfToken is the id of a device that was registered without one: the same whenever
// the same token is registered.
func deviceOfToken(token string) chatbell.DeviceID {
	sum := sha256.Sum256([]byte(token))
	return chatbell.DeviceID("token-" + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// device is the registration in our words, or what is wrong with it.
func (in *deviceInput) device() (chatbell.Device, error) {
	check := &web.Checker{}
	check.ID("/deviceId", string(in.DeviceID))
	check.ID("/userId", string(in.UserID))
	dev := chatbell.Device{
		ID:       in.DeviceID,
		User:     in.UserID,
		Platform: chatbell.Platform(strings.ToLower(in.Platform)), // the Flutter SDK sends iOS
		Token:    in.Token,
		App:      in.App,
		Locale:   in.Locale,
		Timezone: in.Timezone,
	}
	if !slices.Contains(chatbell.Platforms[:], dev.Platform) {
		check.Add("/platform", "must be android or ios")
	}
	if provider := in.provider(dev.Platform); provider != nil {
		dev.Provider = provider.Name
		dev.Token = checkToken(check, dev.Token, provider.Token)
	} else if in.Provider != "" || dev.Platform == chatbell.PlatformWeb {
		check.Add("/provider", "must be a push service of this build: %s", namesOf(providers.Names()))
	}
	check.Short("/app", in.App, chatbell.MaxIDLength)
	check.Locale("/locale", in.Locale)
	check.Timezone("/timezone", in.Timezone)
	return dev, check.Result()
}

// provider is the push service that is meant; nil when this build has it not. Amity's older
// SDKs leave out the s at the end of a name. Without a name it is the first that serves the
// platform.
func (in *deviceInput) provider(platform chatbell.Platform) *push.Provider {
	if name := strings.ToLower(in.Provider); name != "" {
		for _, one := range []string{name, name + "s"} {
			if found, ok := providers.Find(chatbell.Provider(one)); ok {
				return found
			}
		}
		return nil
	}
	if platform != chatbell.PlatformIOS && platform != chatbell.PlatformAndroid {
		return nil
	}
	for _, one := range providers.All() {
		if one.Platform == "" || one.Platform == platform {
			return one
		}
	}
	return nil
}

// checkToken gives a token in the one form in which its provider keeps it.
func checkToken(check *web.Checker, token string, form func(string) (string, error)) string {
	switch n := utf8.RuneCountInString(token); {
	case n < 1 || n > maxToken:
		check.Add("/token", "must have 1 to %d characters", maxToken)
		return token
	case strings.ContainsFunc(token, unicode.IsControl):
		check.Add("/token", "must not contain control characters")
		return token
	}
	kept, err := form(token)
	if err != nil {
		check.Add("/token", "%s", err.Error())
		return token
	}
	return kept
}

func namesOf(names []chatbell.Provider) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	return strings.Join(texts, ", ")
}

// mayRegister refuses visitors, bots and the banned, and a user who reaches for a device
// of somebody else without having its push token.
func (a *api) mayRegister(ctx context.Context, who web.Caller, device *chatbell.Device) error {
	user, err := a.state.User(ctx, who.Network, device.User)
	if err != nil && !errors.Is(err, chatbell.ErrNotFound) {
		return err
	}
	if role := rules.Unreachable(user.Roles); role != "" {
		return deny(http.StatusForbidden, "User %s has the role %s; visitors, bots and banned users cannot register a device.", device.User, role)
	}
	if who.User == "" {
		return nil
	}
	held, err := a.state.Device(ctx, who.Network, device.ID)
	switch {
	case errors.Is(err, chatbell.ErrNotFound):
		return nil
	case err != nil:
		return err
	case held.User != who.User && held.Token != device.Token:
		return deny(http.StatusConflict, "The device is another user's; with a user's own token it can be taken over only with the push token that it has.")
	}
	return nil
}

// deleteDevice unregisters: what it is told stands in the query, or in a body.
func (a *api) deleteDevice(c echo.Context) error {
	who := web.CallerOf(c)
	in, err := unregistration(c)
	if err != nil {
		return err
	}
	onlyIf := who.User
	if in.UserID != nil {
		if who.User != "" && *in.UserID != who.User {
			return web.ErrUserToken
		}
		onlyIf = *in.UserID
	}
	if who.User != "" && in.DeviceID == "" && in.Token != "" {
		in.DeviceID = deviceOfToken(in.Token)
	}
	check := &web.Checker{}
	check.ID("/deviceId", string(in.DeviceID))
	if in.UserID != nil { // an empty one is a caller's mistake, not "whoever it is"
		check.ID("/userId", string(*in.UserID))
	}
	if err := check.Result(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	acted, err := a.state.DeleteDevice(ctx, who.Network, in.DeviceID, onlyIf)
	if err != nil {
		return err
	}
	if !acted {
		// Of somebody else it stays as it is, and that is no mistake of the caller's: they
		// were logged out of the device when the other one logged in.
		if _, err := a.state.Device(ctx, who.Network, in.DeviceID); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, done{Success: true})
}

// unregistration reads the query and the body. One that says another thing than the other
// is refused: which of them was meant?
func unregistration(c echo.Context) (unregisterInput, error) {
	var in unregisterInput
	body, err := web.ReadBody(c)
	if err != nil {
		return in, err
	}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := web.DecodeObject(body, &in); err != nil {
			return in, err
		}
	}
	check := &web.Checker{}
	query := c.QueryParams()
	if query.Has("deviceId") {
		id := chatbell.DeviceID(query.Get("deviceId"))
		if in.DeviceID != "" && in.DeviceID != id {
			check.Add("/deviceId", "must be the same in the query and in the body")
		}
		in.DeviceID = id
	}
	if query.Has("userId") {
		id := chatbell.UserID(query.Get("userId"))
		if in.UserID != nil && *in.UserID != id {
			check.Add("/userId", "must be the same in the query and in the body")
		}
		in.UserID = &id
	}
	return in, check.Result()
}
