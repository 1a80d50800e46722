package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chatbell"
)

func (r *Registry) recordMetrics() {
	r.inserts = r.counters("chatbell_clickhouse_inserts_total", "Blocks of rows that were inserted into ClickHouse, or tried to.", "result")
	for _, o := range []string{insertOK, insertFailed} {
		r.inserts.WithLabelValues(o) // 0 is a value: a rate needs a beginning
	}
	r.insertTime = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "chatbell_clickhouse_insert_duration_seconds", Help: "Time one insert into ClickHouse took, whether or not it succeeded.", Buckets: fastBuckets,
	})
	r.reg.MustRegister(r.insertTime)
	r.rows = r.counters("chatbell_clickhouse_rows_total", "Rows that ClickHouse has taken.", "table")
	for _, label := range []string{"deliveries", "attempts", "events"} {
		r.rows.WithLabelValues(label)
	}
	r.recorderFails = r.counter("chatbell_recorder_failures_total", "Times that the recorder could not record a block, for whatever cause; it tries again.")
}

const (
	insertOK     = "ok"
	insertFailed = "failed"
)

// Inserted counts one insert into ClickHouse.
func (r *Registry) Inserted(rows *chatbell.Results, took time.Duration, err error) {
	r.insertTime.Observe(took.Seconds())
	if err != nil {
		r.inserts.WithLabelValues(insertFailed).Inc()
		return
	}
	r.inserts.WithLabelValues(insertOK).Inc()
	r.rows.WithLabelValues("deliveries").Add(float64(len(rows.Deliveries)))
	r.rows.WithLabelValues("attempts").Add(float64(len(rows.Attempts)))
	r.rows.WithLabelValues("events").Add(float64(len(rows.Events)))
}

// RecordingFailed counts a block that could not be recorded yet.
func (r *Registry) RecordingFailed() { r.recorderFails.Inc() }
