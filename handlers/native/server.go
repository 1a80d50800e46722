package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell/handlers/web/openapi"
	"chatbell/internal/listen"
	"chatbell/pipeline/intake"
)

// Health answers what an operator's probes ask.
type Health interface {
	// Ready is nil while events can be accepted.
	Ready(ctx context.Context) error
	// Degraded names what does not work although events are accepted.
	Degraded(ctx context.Context) []string
}

// Observer counts what the API answers, for metrics. Safe for concurrent use.
type Observer interface {
	// Request is called for each answered request. The route is its pattern, empty where no
	// route fits the path.
	Request(method, route string, status int, took time.Duration)
	// Event is called for events that never reach intake: the status is "rejected".
	Event(status string, n int)
	// Refused is called for each request without a credential for its route; why is one of
	// RefusedNone and those beside it.
	Refused(why string)
}

// Config is what the API is made of. All fields but Observer, Guesses and Now are required.
type Config struct {
	Intake   Intake
	State    State
	Keys     Keys
	Health   Health
	Metrics  http.Handler
	Observer Observer
	Log      *slog.Logger
	Version  string
	Now      func() time.Time
	// Guesses slows wrong keys; nil is a throttle of the API's own.
	Guesses *listen.Throttle
}

type api struct {
	intake   Intake
	state    State
	health   Health
	now      func() time.Time
	version  string
	bulk     bulkGate
	rejected func(events int)
}

// route is one entry of the API: what is served, what is documented.
type route struct {
	method, path string
	handle       echo.HandlerFunc
	access       access
	doc          openapi.Operation
}

// access is who may call a route.
type access int

const (
	open   access = iota // anybody
	server               // server keys and the admin key
	users                // and a user, for their own things
)

// New makes the API.
func New(c Config) (http.Handler, error) {
	if c.Intake == nil || c.State == nil || c.Keys == nil || c.Health == nil || c.Metrics == nil || c.Log == nil {
		return nil, errors.New("native API: Intake, State, Keys, Health, Metrics and Log are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Guesses == nil {
		c.Guesses = listen.NewThrottle(listen.ThrottleConfig{What: "API key", Logger: c.Log})
	}
	a := &api{intake: c.Intake, state: c.State, health: c.Health, now: c.Now, version: c.Version, rejected: func(int) {}}
	guard := &guard{keys: c.Keys, guesses: c.Guesses, refused: func(string) {}}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	passing := newRefusals(c.Log, c.Now)
	e.HTTPErrorHandler = handleError(c.Log, passing)
	if c.Observer != nil {
		a.rejected = func(n int) { c.Observer.Event("rejected", n) }
		guard.refused = c.Observer.Refused
		e.Use(observe(c.Observer))
	}
	list := a.routes(c.Metrics)
	e.Use(passing.watch, recoverer(c.Log), guide(list), wellFormed)
	for _, r := range list {
		var before []echo.MiddlewareFunc
		if r.access != open {
			before = append(before, guard.authenticate(r.access == users), notIdempotent)
		}
		e.Add(r.method, r.path, r.handle, before...)
	}
	for _, path := range []string{"/", "/docs"} { // for people; no part of the API
		e.GET(path, a.getIndex)
	}
	return head(e), nil
}

func (a *api) routes(metrics http.Handler) []route {
	list := []route{
		{http.MethodPost, "/v1/events", a.postEvents, server, docPostEvents},
		{http.MethodGet, "/healthz", a.getHealthz, open, docGetHealthz},
		{http.MethodGet, "/readyz", a.getReadyz, open, docGetReadyz},
		{http.MethodGet, "/metrics", echo.WrapHandler(metrics), open, docGetMetrics},
	}
	list = append(list, a.userRoutes()...)
	list = append(list, a.channelRoutes()...)
	list = append(list, a.deviceRoutes()...)
	list = append(list, a.settingsRoutes()...)
	list = append(list, route{http.MethodGet, "/openapi.json", nil, open, docGetOpenAPI})
	// Made when somebody asks: it takes longer than all else that a start needs here.
	document := sync.OnceValue(func() []byte { return describe(a.version, list) })
	list[len(list)-1].handle = func(c echo.Context) error { return c.JSONBlob(http.StatusOK, document()) }
	return list
}

// head answers HEAD as GET; net/http leaves the body out. Probes of load balancers use it.
func head(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.Clone(r.Context())
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// observe tells the observer of each answer. It is the outermost, so that the answer to
// an error is one, too.
func observe(o Observer) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			if err := next(c); err != nil {
				c.Error(err)
			}
			o.Request(c.Request().Method, c.Path(), c.Response().Status, time.Since(start))
			return nil
		}
	}
}

// recoverer answers a panic with a 500 and logs where it was; the request's content
// stays out of the log.
func recoverer(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				if v := recover(); v != nil {
					if v == http.ErrAbortHandler { //nolint:errorlint // the value that net/http compares with
						panic(v)
					}
					log.Error("handler panicked", "route", c.Path(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
					err = problem(http.StatusInternalServerError, "an internal error; see the server's log")
				}
			}()
			return next(c)
		}
	}
}

// wellFormed refuses a query that cannot be read: echo would leave out what is wrong in
// it, and removing a device for one user would become removing it for everybody.
func wellFormed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		values, err := url.ParseQuery(c.Request().URL.RawQuery)
		if err != nil {
			return problem(http.StatusBadRequest, "the query cannot be read: write name=value, percent-encoded, joined by &")
		}
		for name, all := range values {
			if len(all) > 1 {
				return invalid(field(escaped(name), "is given twice in the query"))
			}
		}
		return next(c)
	}
}

func (a *api) getHealthz(c echo.Context) error {
	return c.JSON(http.StatusOK, liveness{Status: "ok", Version: a.version})
}

func (a *api) getReadyz(c echo.Context) error {
	ctx := c.Request().Context()
	if err := a.health.Ready(ctx); err != nil {
		return fmt.Errorf("%w: %w", retryLater(http.StatusServiceUnavailable, 5, "events cannot be accepted now: "+whyNot(err)), err)
	}
	degraded := a.health.Degraded(ctx)
	if degraded == nil {
		degraded = []string{}
	}
	return c.JSON(http.StatusOK, readiness{degraded})
}

// whyNot tells everybody who asks no more than they may know; the rest is in the log.
func whyNot(err error) string {
	var refused *intake.Error
	if !errors.As(err, &refused) {
		return "see the server's log"
	}
	switch refused.Cause {
	case intake.Overloaded, intake.DiskFull:
		return "the backlog is full"
	case intake.Stopping:
		return "the server is stopping"
	case intake.Unavailable:
	}
	return "the broker cannot be reached"
}

// notIdempotent refuses what this build would ignore: a caller who relies on the header
// would have written twice.
func notIdempotent(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, ok := c.Request().Header["Idempotency-Key"]; ok && c.Request().Method != http.MethodGet {
			return problem(http.StatusBadRequest, "the header Idempotency-Key is not in this build: leave it out. Events are idempotent by their id, "+
				"devices by their device_id; every PUT and DELETE may be repeated as it is")
		}
		return next(c)
	}
}

// The bounds of a connection. A body of 4 MiB in 30 s is 140 KiB/s; a slower caller
// holds a place that others need.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
)

// bulkTimeout replaces readTimeout for a bulk list, which may have a million lines.
const bulkTimeout = 10 * time.Minute

// NewServer makes the HTTP server around the API, with bounds on everything that a
// caller could hold on to.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
}
