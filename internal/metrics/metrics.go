// Package metrics is the home of Prometheus: it counts what the other packages
// report through interfaces of their own, reads what they tell when they are asked, and
// serves both as /metrics. Names follow Prometheus' conventions: base units, _total for
// counters. Each label takes its values from a closed list, and no value is empty; none
// carries an id of a network, a user, a channel or an endpoint, so that the number of
// series does not grow with the number of customers.
//
// docs/metrics.md tells what each one means. All methods are safe for concurrent use.
package metrics

import (
	"net/http"
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chatbell"
)

// Registry holds chatbell's metrics.
type Registry struct {
	reg *prometheus.Registry

	events        *prometheus.CounterVec
	overLimit     *prometheus.CounterVec
	refused       *prometheus.CounterVec
	requests      *prometheus.CounterVec
	requestTime   *prometheus.HistogramVec
	messages      *prometheus.CounterVec
	messageTime   *prometheus.HistogramVec
	matchTime     *prometheus.HistogramVec
	people        prometheus.Counter
	attempts      *prometheus.CounterVec
	attemptTime   *prometheus.HistogramVec
	deliveries    *prometheus.CounterVec
	latency       *prometheus.HistogramVec
	noCredential  *prometheus.CounterVec
	inserts       *prometheus.CounterVec
	insertTime    prometheus.Histogram
	rows          *prometheus.CounterVec
	recorderFails prometheus.Counter
	unread        *prometheus.CounterVec
}

// Buckets of the histograms, in seconds.
var (
	fastBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	// A delivery may wait through a retry schedule of days.
	longBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400}
)

// New makes a registry of its own, so that several servers in one process do not
// meet in a global one.
func New(version string) *Registry {
	if version == "" {
		version = "unknown" // a label that is empty is none
	}
	r := &Registry{reg: prometheus.NewRegistry()}
	r.intakeMetrics()
	r.pipelineMetrics()
	r.recordMetrics()
	r.unread = r.counters("chatbell_unread_gauges_total", "Scrapes in which a part could not tell its state; its gauges are left out of such a scrape.", "part")
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "chatbell_build_info", Help: "Always 1; what was built is in the labels.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	info.Set(1)
	r.reg.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func (r *Registry) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.reg.MustRegister(c)
	return c
}

func (r *Registry) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	r.reg.MustRegister(c)
	return c
}

func (r *Registry) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	r.reg.MustRegister(h)
	return h
}

// maxScrapes bounds the scrapes at once: anybody may ask, and one of 1,000 series takes
// a millisecond.
const maxScrapes = 8

// Handler serves the metrics in Prometheus' text format, or as OpenMetrics where that is
// asked for.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{
		Registry:            r.reg,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
}

// none is the value of a label where there is nothing to say: an empty one would be the
// same as no label at all.
const none = "none"

// other is the value of a label that is in no list; it is a mistake of ours to see it.
const other = "other"

func targetLabel(k chatbell.TargetKind) string {
	if !slices.Contains(chatbell.TargetKinds[:], k) {
		return other
	}
	return string(k)
}

func outcomeLabel(o chatbell.Outcome) string {
	if !slices.Contains(chatbell.Outcomes[:], o) {
		return other
	}
	return string(o)
}

func reasonLabel(r chatbell.Reason) string {
	switch {
	case r == "":
		return none
	case !slices.Contains(chatbell.Reasons, r):
		return other
	}
	return string(r)
}
