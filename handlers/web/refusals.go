package web

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
)

// refusals logs that a route cannot do its work for now (a full disk, a broker that is
// away), and that it can again: not each of the thousands of requests that are refused
// meanwhile, of which it tells the number. Safe for concurrent use.
type refusals struct {
	log    *slog.Logger
	now    func() time.Time
	routes atomic.Int64 // that refuse now

	mu  sync.Mutex
	all map[string]*refusal // by method and route, of which there is a fixed number
}

// refusal is a route that refuses.
type refusal struct {
	times       int
	since, last time.Time
}

// refusalQuiet is how long nothing was refused when a route counts as well again: where
// some requests pass and some do not, there is a line for each such time at most.
const refusalQuiet = 10 * time.Second

func newRefusals(log *slog.Logger, now func() time.Time) *refusals {
	return &refusals{log: log, now: now, all: map[string]*refusal{}}
}

// refused notes that a request was refused for a reason that passes.
func (r *refusals) refused(method, route string, status int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	refused := r.all[method+" "+route]
	if refused == nil {
		refused = &refusal{since: now}
		r.all[method+" "+route] = refused
		r.routes.Add(1)
		r.log.Error("requests are refused for now; those that follow are counted, not logged", "method", method, "route", route, "status", status, "error", err)
	}
	refused.times++
	refused.last = now
}

// served notes that a request was answered well.
func (r *refusals) served(method, route string) {
	if r.routes.Load() == 0 {
		return // nearly always
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	refused := r.all[method+" "+route]
	if refused == nil || r.now().Sub(refused.last) < refusalQuiet {
		return
	}
	delete(r.all, method+" "+route)
	r.routes.Add(-1)
	r.log.Info("requests are taken again", "method", method, "route", route, "refused", refused.times, "first", refused.since, "last", refused.last)
}

// watch tells of each request that is answered well.
func (r *refusals) watch(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		if err == nil {
			r.served(c.Request().Method, c.Path())
		}
		return err
	}
}
