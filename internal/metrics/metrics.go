// Package metrics is the home of Prometheus: it counts what the other packages
// report through interfaces of their own, and serves it as /metrics. Names follow
// Prometheus' conventions: base units, _total for counters. No label carries an id
// of a user, a channel or an endpoint, so that their number stays small.
//
// All methods are safe for concurrent use.
package metrics

import (
	"context"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chatbell"
)

// Registry holds chatbell's metrics.
type Registry struct {
	reg      *prometheus.Registry
	events   *prometheus.CounterVec
	handled  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	tries    *prometheus.CounterVec
	tryTime  *prometheus.HistogramVec
}

// New makes a registry of its own, so that several servers in one process do not
// meet in a global one.
func New(version string) *Registry {
	r := &Registry{
		reg: prometheus.NewRegistry(),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatbell_events_total", Help: "Events by what became of them at intake.",
		}, []string{"status"}),
		handled: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chatbell_stage_duration_seconds", Help: "Time a stage worked on one message.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"stage"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatbell_stage_failures_total", Help: "Messages that a stage handed back or gave to the dead letters.",
		}, []string{"stage"}),
		tries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatbell_attempts_total", Help: "Tries to deliver, by kind of target and reason; an empty reason is an acceptance.",
		}, []string{"target", "reason"}),
		tryTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chatbell_attempt_duration_seconds", Help: "Time one try took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"target"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "chatbell_build_info", Help: "Always 1; the version is a label.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	r.reg.MustRegister(r.events, r.handled, r.failures, r.tries, r.tryTime, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler serves the metrics in Prometheus' text formats.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{Registry: r.reg})
}

// Event counts n events with the same status.
func (r *Registry) Event(status string, n int) { r.events.WithLabelValues(status).Add(float64(n)) }

// Handled counts one message of a stage.
func (r *Registry) Handled(stage string, took time.Duration, failed bool) {
	r.handled.WithLabelValues(stage).Observe(took.Seconds())
	if failed {
		r.failures.WithLabelValues(stage).Inc()
	}
}

// Tried counts one try; reason is empty when it was accepted.
func (r *Registry) Tried(kind chatbell.TargetKind, reason chatbell.Reason, took time.Duration) {
	r.tries.WithLabelValues(string(kind), string(reason)).Inc()
	r.tryTime.WithLabelValues(string(kind)).Observe(took.Seconds())
}

// gaugeTimeout bounds what one gauge may take of a scrape.
const gaugeTimeout = time.Second

// Gauge registers a value that is read at each scrape. A read that fails leaves the
// gauge at its last value.
func (r *Registry) Gauge(name, help string, labels map[string]string, read func(context.Context) (float64, error)) {
	var last atomic.Uint64 // the bits of a float64: scrapes may run side by side
	r.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), gaugeTimeout)
		defer cancel()
		if v, err := read(ctx); err == nil {
			last.Store(math.Float64bits(v))
		}
		return math.Float64frombits(last.Load())
	}))
}
