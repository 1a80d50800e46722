package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Gauge is a value that is read when somebody scrapes.
type Gauge string

// The gauges, and what is counted elsewhere and only read here.
const (
	Ready           Gauge = "chatbell_ready"
	SendingPaused   Gauge = "chatbell_sending_paused"
	StreamPending   Gauge = "chatbell_stream_pending_messages"
	StreamInFlight  Gauge = "chatbell_stream_in_flight_messages"
	StreamMessages  Gauge = "chatbell_stream_messages"
	StreamBytes     Gauge = "chatbell_stream_bytes"
	StreamLimit     Gauge = "chatbell_stream_limit_bytes"
	DeadLetters     Gauge = "chatbell_dead_letters_total"
	RetryPending    Gauge = "chatbell_retry_pending"
	RetryOldest     Gauge = "chatbell_retry_oldest_age_seconds"
	QueueTries      Gauge = "chatbell_queue_tries"
	RecorderLag     Gauge = "chatbell_recorder_lag_seconds"
	RecorderPending Gauge = "chatbell_recorder_lag_messages"
	RecorderRows    Gauge = "chatbell_recorder_lag_rows"
	Destinations    Gauge = "chatbell_destinations"
	PushHosts       Gauge = "chatbell_push_hosts"
	// SuspectCredentials are those of which too many tokens are refused.
	SuspectCredentials Gauge = "chatbell_suspect_credentials"
	Connections        Gauge = "chatbell_connections"
	ConnectionLimit    Gauge = "chatbell_connections_limit"
	ConnectionsCut     Gauge = "chatbell_connections_cut_total"
	DiskFree           Gauge = "chatbell_disk_free_bytes"
	DiskReserve        Gauge = "chatbell_disk_reserve_bytes"
	EngineUp           Gauge = "chatbell_engine_up"
	EngineRestarts     Gauge = "chatbell_engine_restarts_total"
	EngineCut          Gauge = "chatbell_engine_connections_cut_total"
	EngineWrong        Gauge = "chatbell_engine_wrong_passwords_total"
)

type description struct {
	kind   prometheus.ValueType
	help   string
	labels []string
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

var descriptions = map[Gauge]description{
	Ready:              {gauge, "1 while events are accepted, as /readyz answers.", nil},
	SendingPaused:      {gauge, "1 while nothing is sent because there is no room for more results.", nil},
	StreamPending:      {gauge, "Messages of a stream that no stage was given yet.", []string{"stream"}},
	StreamInFlight:     {gauge, "Messages of a stream that a stage has in hand.", []string{"stream"}},
	StreamMessages:     {gauge, "Messages that a stream keeps, also those that are done and only remembered.", []string{"stream"}},
	StreamBytes:        {gauge, "Bytes that a stream keeps.", []string{"stream"}},
	StreamLimit:        {gauge, "Bytes that a stream may keep.", []string{"stream"}},
	DeadLetters:        {counter, "Messages that were given up, since the data folder was made.", nil},
	RetryPending:       {gauge, "Webhook calls and batches of pushes that wait in the store until they are due.", []string{"target"}},
	RetryOldest:        {gauge, "Age of the oldest event behind what waits in the store.", []string{"target"}},
	QueueTries:         {gauge, "Tries in memory: those that wait for their turn at a destination, and those under way.", []string{"target", "state"}},
	RecorderLag:        {gauge, "Age of the oldest result that the recorder has read and ClickHouse does not have.", nil},
	RecorderPending:    {gauge, "Messages with results, of up to 2,000 rows, that ClickHouse does not have.", nil},
	RecorderRows:       {gauge, "Rows that ClickHouse does not have; what an earlier process left counts as one a message.", nil},
	Destinations:       {gauge, "Destinations that were used since the start, by the state of their circuit breakers.", []string{"target", "state"}},
	PushHosts:          {gauge, "Push services that credentials in use speak to, by the state of their circuit breakers.", []string{"target", "state"}},
	SuspectCredentials: {gauge, "Push credentials with so many refused tokens that nothing is done to devices: their pushes are held, or go on.", []string{"target", "state"}},
	Connections:        {gauge, "Connections of callers.", nil},
	ConnectionLimit:    {gauge, "Connections of callers that there may be: a share of the limit of open files.", nil},
	ConnectionsCut:     {counter, "Connections that were closed for lack of room: to let others in, or at once.", []string{"reason"}},
	DiskFree:           {gauge, "Bytes that are free on the disk of the data folder.", nil},
	DiskReserve:        {gauge, "Free bytes on the disk of the data folder below which events are refused.", nil},
	EngineUp:           {gauge, "1 while the embedded ClickHouse engine answers.", nil},
	EngineRestarts:     {counter, "Times that the embedded ClickHouse engine ended and was started again.", nil},
	EngineCut:          {counter, "Connections to the embedded ClickHouse engine that were closed for lack of room: to let others in, or at once.", []string{"reason"}},
	EngineWrong:        {counter, "Requests to the embedded ClickHouse engine with a wrong user or password.", nil},
}

// Tell tells a value, with those of the gauge's labels in their order.
type Tell func(g Gauge, value float64, labels ...string)

// Part reads the state of one part of the server.
type Part struct {
	// Name is the part in chatbell_unread_gauges_total.
	Name string
	// Gauges are all that Read may tell.
	Gauges []Gauge
	// MaxAge is how old what was read may be when it is told again. Zero reads at each
	// scrape: for what costs microseconds.
	MaxAge time.Duration
	// Read tells the values.
	Read func(ctx context.Context, tell Tell) error
}

// readTimeout bounds what one part may take of a scrape: Prometheus gives up after 10 s,
// and a part that hangs must not hide the others.
const readTimeout = time.Second

// Add registers the gauges of a part. A read that fails leaves them out of the scrape: a
// gap is true, a value of some time ago is not.
func (r *Registry) Add(p Part) {
	c := &part{Part: p, descs: map[Gauge]*prometheus.Desc{}, failed: r.unread.WithLabelValues(p.Name)}
	for _, g := range p.Gauges {
		d := descriptions[g]
		c.descs[g] = prometheus.NewDesc(string(g), d.help, d.labels, nil)
	}
	r.reg.MustRegister(c)
}

// AddProcess registers the usual metrics of another process under a prefix; pid gives 0
// while there is none.
func (r *Registry) AddProcess(prefix string, pid func() int) {
	r.reg.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{
		Namespace: prefix,
		PidFn:     func() (int, error) { return pid(), nil },
	}))
}

// part is a Part as Prometheus wants it.
type part struct {
	Part
	descs  map[Gauge]*prometheus.Desc
	failed prometheus.Counter

	mu   sync.Mutex // held while the part is read, so that scrapes side by side read it once
	at   time.Time
	last []prometheus.Metric
}

// Describe implements prometheus.Collector.
func (p *part) Describe(out chan<- *prometheus.Desc) {
	for _, d := range p.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (p *part) Collect(out chan<- prometheus.Metric) {
	p.mu.Lock()
	if p.at.IsZero() || time.Since(p.at) >= p.MaxAge {
		p.read()
	}
	last := p.last
	p.mu.Unlock()
	for _, m := range last {
		out <- m
	}
}

// read asks the part. The lock is held.
func (p *part) read() {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	p.last = nil // Collect may still be handing out the old one
	err := p.Read(ctx, func(g Gauge, value float64, labels ...string) {
		p.last = append(p.last, prometheus.MustNewConstMetric(p.descs[g], descriptions[g].kind, value, labels...))
	})
	p.at = time.Now()
	if err != nil {
		p.last = nil
		p.failed.Inc()
	}
}
