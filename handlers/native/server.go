package native

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell/handlers/web"
)

// Config is what the API is made of. Rejected and Beside may be left out.
type Config struct {
	web.Common
	Intake Intake
	State  State
	// DeadLetters are what was given up.
	DeadLetters DeadLetters
	Version     string
	// Rejected counts events that are wrong, which never reach the intake.
	Rejected func(events int)
	// Beside are parts that other surfaces serve at the same address: /openapi.json and
	// answers to who is lost tell of them, too.
	Beside []web.Part
}

type api struct {
	intake   Intake
	state    State
	dead     DeadLetters
	now      func() time.Time
	version  string
	bulk     bulkGate
	rejected func(events int)
	beside   []web.Part
}

// New makes the API.
func New(cfg Config) (http.Handler, error) {
	if cfg.Intake == nil || cfg.State == nil || cfg.DeadLetters == nil {
		return nil, errors.New("native API: Intake, State and DeadLetters are required")
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
		dead:     cfg.DeadLetters,
		now:      cfg.Now,
		version:  cfg.Version,
		rejected: cfg.Rejected,
		beside:   cfg.Beside,
	}
	var beside []web.Route
	for _, p := range cfg.Beside {
		beside = append(beside, p.Routes...)
	}
	return web.New(web.Config{
		Common:   cfg.Common,
		Name:     "native",
		Routes:   made.routes(),
		Beside:   beside,
		Document: "/openapi.json",
		Pages: []web.Route{
			{Method: http.MethodGet, Path: "/", Handle: made.getIndex},
			{Method: http.MethodGet, Path: "/docs", Handle: made.getIndex},
		},
	})
}

func (a *api) routes() []web.Route {
	list := slices.Concat(
		[]web.Route{{
			Method: http.MethodPost,
			Path:   "/v1/events",
			Handle: a.postEvents,
			Access: web.Server,
			Doc:    docPostEvents,
		}},
		a.userRoutes(), a.channelRoutes(), a.deviceRoutes(), a.settingsRoutes(), a.deadLetterRoutes(),
	)
	for i := range list {
		list[i].Handle = notIdempotent(list[i].Handle)
	}
	list = append(list, web.Route{Method: http.MethodGet, Path: "/openapi.json", Access: web.Open, Doc: docGetOpenAPI})
	// Made when somebody asks: it takes longer than all else that a start needs here.
	document := sync.OnceValue(func() []byte {
		own := web.Part{Routes: list, Types: types(), Tags: tags}
		return web.Describe(about(a.version), slices.Concat([]web.Part{own}, a.beside)...)
	})
	list[len(list)-1].Handle = func(c echo.Context) error { return c.JSONBlob(http.StatusOK, document()) }
	return list
}

// notIdempotent refuses what this build would ignore: a caller who relies on the header
// would have written twice.
func notIdempotent(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, ok := c.Request().Header["Idempotency-Key"]; ok && c.Request().Method != http.MethodGet {
			return web.NewProblem(http.StatusBadRequest, "the header Idempotency-Key is not in this build: leave it out. Events are idempotent by their id, "+
				"devices by their device_id; every PUT and DELETE may be repeated as it is")
		}
		return next(c)
	}
}
