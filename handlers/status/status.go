package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"

	"github.com/labstack/echo/v4"

	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
	"chatbell/pipeline/intake"
)

// Health answers what an operator's probes ask. Safe for concurrent use.
type Health interface {
	// Ready is nil while requests can be accepted.
	Ready(ctx context.Context) error
	// Degraded names what does not work although requests are accepted.
	Degraded(ctx context.Context) []string
}

// Config is what the surface is made of. Of Common only Log is required.
type Config struct {
	web.Common
	Health  Health
	Metrics http.Handler
	Version string
	// Document is the path of the description of all that is served at the address, if any.
	Document string
}

// Paths are where the surface answers.
var Paths = []string{"/healthz", "/readyz", "/metrics"}

type status struct {
	health  Health
	metrics echo.HandlerFunc
	version string
}

// New makes the surface.
func New(c Config) (http.Handler, error) {
	if c.Health == nil || c.Metrics == nil {
		return nil, errors.New("status: Health and Metrics are required")
	}
	made := &status{health: c.Health, metrics: echo.WrapHandler(c.Metrics), version: c.Version}
	return web.New(web.Config{Common: c.Common, Name: "status", Routes: made.routes(), Document: c.Document})
}

// Part is what the document of a whole server tells of the surface.
func Part() web.Part {
	return web.Part{
		Routes: (&status{}).routes(),
		Types: []openapi.Type{
			{Go: reflect.TypeFor[liveness](), Description: "A process that lives."},
			{Go: reflect.TypeFor[readiness](), Description: "A server that takes events."},
		},
		Tags: []openapi.Tag{{Name: tag, Description: "What an operator asks a server. Open to everybody who reaches it."}},
	}
}

func (s *status) routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/healthz", Handle: s.getHealthz, Doc: docGetHealthz, Always: true},
		{Method: http.MethodGet, Path: "/readyz", Handle: s.getReadyz, Doc: docGetReadyz},
		{Method: http.MethodGet, Path: "/metrics", Handle: s.metrics, Doc: docGetMetrics},
	}
}

// liveness answers /healthz.
type liveness struct {
	Status  string `json:"status" required:"true" enum:"ok,starting" description:"Either is alive; while it is starting, everything else is answered with 503."`
	Version string `json:"version" required:"true" description:"The server's version."`
}

// readiness answers /readyz.
type readiness struct {
	Degraded []string `json:"degraded" required:"true" nullable:"false" description:"What does not work although events are accepted, in words for an operator."`
}

func (s *status) getHealthz(c echo.Context) error {
	return c.JSON(http.StatusOK, liveness{Status: "ok", Version: s.version})
}

// notReadyRetry is when a probe may ask again, in seconds.
const notReadyRetry = 5

func (s *status) getReadyz(c echo.Context) error {
	ctx := c.Request().Context()
	if err := s.health.Ready(ctx); err != nil {
		problem := web.RetryLater(http.StatusServiceUnavailable, notReadyRetry, "events cannot be accepted now: "+whyNot(err))
		return fmt.Errorf("%w: %w", problem, err)
	}
	degraded := s.health.Degraded(ctx)
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
	case intake.Overloaded, intake.OverLimit:
		return "the backlog is full"
	case intake.DiskFull:
		return "the disk is full"
	case intake.Stopping:
		return "the server is stopping"
	case intake.Unavailable:
	}
	return "the broker cannot be reached"
}

// startingRetry is when a caller may come again, in seconds: a start takes a few.
const startingRetry = 2

// Starting answers for all surfaces while the parts behind them are opened: /healthz says
// that the process lives, everything else, /readyz above all, that it is to be asked later.
// An orchestrator neither kills the process for that nor sends it traffic. What it waits
// for, if it is known, is said.
func Starting(version, waitsFor string) http.Handler {
	starting := "starting"
	if waitsFor != "" {
		starting += ": it waits for " + waitsFor
	}
	alive := mustJSON(liveness{Status: "starting", Version: version})
	later := mustJSON(web.NewProblem(http.StatusServiceUnavailable, "the server is %s; nothing was accepted, send it again later", starting))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			w.Header().Set("Content-Type", web.MediaJSON)
			_, _ = w.Write(alive) // who has left needs no answer
			return
		}
		w.Header().Set("Content-Type", web.MediaProblem)
		w.Header().Set("Retry-After", strconv.Itoa(startingRetry))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(later) // as above
	})
}

// mustJSON encodes what is ours.
func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
