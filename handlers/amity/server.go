package amity

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/pipeline/intake"
)

// Intake makes requests durable. Accept answers for each in order; its errors are
// [intake.Error].
type Intake interface {
	Accept(ctx context.Context, requests []intake.Request) ([]intake.Status, error)
}

// State is what the surface reads and writes: the same as chatbell's own API. What does
// not exist is [chatbell.ErrNotFound]. Safe for concurrent use.
type State interface {
	Devices
	Settings
	User(ctx context.Context, network chatbell.NetworkID, id chatbell.UserID) (chatbell.User, error)
	Channel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) (chatbell.Channel, error)
}

// Devices keeps push tokens.
type Devices interface {
	RegisterDevice(ctx context.Context, network chatbell.NetworkID, d chatbell.Device) (chatbell.Device, error)
	Device(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID) (chatbell.Device, error)
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

// Config is what the surface is made of. Hooks, Version and Rejected may be left out.
type Config struct {
	web.Common
	Intake Intake
	State  State
	// Hooks are the webhooks at Amity whose calls are taken, by network. It is not
	// changed afterwards.
	Hooks   map[chatbell.NetworkID][]Hook
	Version string
	// Rejected counts events that are wrong, which never reach the intake.
	Rejected func(events int)
}

// Paths are where the surface answers.
var Paths = []string{"/v1/notification", "/v1/hooks/amity", "/api/v3/notification", "/admin/v1/notification", "/amity"}

// documentPath is where the surface describes itself.
const documentPath = "/amity/openapi.json"

type api struct {
	intake   Intake
	state    State
	hooks    map[chatbell.NetworkID][]Hook
	guard    *web.Guard
	now      func() time.Time
	rejected func(events int)
	saving   keyed
}

// New makes the surface.
func New(cfg Config) (http.Handler, error) {
	if cfg.Intake == nil || cfg.State == nil {
		return nil, errors.New("amity: Intake and State are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rejected == nil {
		cfg.Rejected = func(int) {}
	}
	made := &api{
		intake:   cfg.Intake,
		state:    cfg.State,
		hooks:    cfg.Hooks,
		guard:    web.NewGuard(cfg.Common, web.Credential{}),
		now:      cfg.Now,
		rejected: cfg.Rejected,
	}
	return web.New(web.Config{
		Common:   cfg.Common,
		Name:     "amity",
		Routes:   made.routes(cfg.Version),
		Document: documentPath,
		Errors:   errorForm,
	})
}

func (a *api) routes(version string) []web.Route {
	list := slices.Concat(a.deviceRoutes(), a.hookRoutes(), a.settingRoutes())
	// Made when somebody asks.
	document := sync.OnceValue(func() []byte {
		return web.DescribeAs(errorForm, about(version), web.Part{Routes: list, Types: types(), Tags: tags})
	})
	list = append(list, web.Route{
		Method: http.MethodGet,
		Path:   documentPath,
		Access: web.Open,
		Doc:    docGetDocument,
		Handle: func(c echo.Context) error { return c.JSONBlob(http.StatusOK, document()) },
	})
	return list
}
