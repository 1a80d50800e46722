package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell/handlers/web/openapi"
	"chatbell/internal/listen"
)

// Observer counts what a surface answers, for metrics. Safe for concurrent use.
type Observer interface {
	// Request is called for each answered request. The route is its pattern, empty where no
	// route fits the path.
	Request(method, route string, status int, took time.Duration)
	// Refused is called for each request without a credential for its route; why is one of
	// [RefusedNone] and those beside it.
	Refused(why string)
}

// Common is what all surfaces of a server have in common.
type Common struct {
	Keys Keys
	Log  *slog.Logger
	// Guesses slows wrong keys; nil is a throttle of the surface's own.
	Guesses *listen.Throttle
	// Observer may be nil.
	Observer Observer
	// Bodies bounds the memory of bodies; nil is a budget of the surface's own.
	Bodies *Bodies
	// Now is the clock; nil is the machine's.
	Now func() time.Time
}

// Route is one entry of a surface: what is served, what is documented.
type Route struct {
	Method string
	// Path is echo's pattern: /v1/users/:user.
	Path   string
	Handle echo.HandlerFunc
	Access Access
	Doc    openapi.Operation
	// Always says that it is answered with 200 also while the server is starting.
	Always bool
}

// Part is a piece of an API as its document tells of it: routes with the types of their
// bodies, and the groups in which they are listed.
type Part struct {
	Routes []Route
	Types  []openapi.Type
	Tags   []openapi.Tag
}

// Config is what a surface is made of. Only Pages, Beside, Document, Credential and Errors
// may be left out.
type Config struct {
	Common
	// Name is the surface's, for errors.
	Name   string
	Routes []Route
	// Pages are for people: they are served, and nobody is led to them.
	Pages []Route
	// Beside are routes of other surfaces at the same address. They are not served here,
	// but who mistypes one arrives here and is led to it.
	Beside []Route
	// Document is the path of the API's description, to which who is lost is sent.
	Document string
	// Credential is how callers show their key; the zero value means [Bearer].
	Credential Credential
	// Errors is how errors go over the wire; the zero value means as a [Problem].
	Errors ErrorForm
}

// New makes the handler of a surface. It is safe for concurrent use.
func New(cfg Config) (http.Handler, error) {
	guarded := slices.ContainsFunc(cfg.Routes, func(r Route) bool { return r.Access != Open })
	if cfg.Log == nil || cfg.Keys == nil && guarded {
		return nil, fmt.Errorf("surface %s: Log, and Keys where a route needs one, are required", cfg.Name)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Bodies == nil {
		cfg.Bodies = NewBodies(nil)
	}
	guard := NewGuard(cfg.Common, cfg.Credential)
	router := echo.New()
	router.HideBanner = true
	router.HidePort = true
	passing := newRefusals(cfg.Log, cfg.Now)
	router.HTTPErrorHandler = handleError(cfg.Log, passing, cfg.Errors)
	if cfg.Observer != nil {
		router.Use(observe(cfg.Observer))
	}
	router.Use(passing.watch, recoverer(cfg.Log), guide(cfg.Routes, cfg.Beside, cfg.Document), wellFormed, cfg.Bodies.bounded)
	for _, route := range cfg.Routes {
		var before []echo.MiddlewareFunc
		if route.Access != Open {
			before = append(before, guard.authenticate(route.Access))
		}
		router.Add(route.Method, route.Path, route.Handle, before...)
	}
	for _, p := range cfg.Pages {
		router.Add(p.Method, p.Path, p.Handle)
	}
	return head(router), nil
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
func observe(observer Observer) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			if err := next(c); err != nil {
				c.Error(err)
			}
			observer.Request(c.Request().Method, c.Path(), c.Response().Status, time.Since(start))
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
				if value := recover(); value != nil {
					if value == http.ErrAbortHandler { //nolint:errorlint // the value that net/http compares with
						panic(value)
					}
					log.Error("handler panicked", "route", c.Path(), "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
					err = AsProblem(errors.New("a panic"))
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
			return NewProblem(http.StatusBadRequest, "the query cannot be read: write name=value, percent-encoded, joined by &")
		}
		for name, all := range values {
			if len(all) > 1 {
				return Invalid(Field(Escaped(name), "is given twice in the query"))
			}
		}
		return next(c)
	}
}
