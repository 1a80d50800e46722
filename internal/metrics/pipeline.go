package metrics

import (
	"time"

	"chatbell"
)

func (r *Registry) pipelineMetrics() {
	r.messages = r.counters("chatbell_messages_total", "Messages of a stream by what became of them when a stage had them.", "stream", "end")
	r.messageTime = r.histograms("chatbell_message_duration_seconds",
		"Time from handing a message out until all it caused was settled: for EVENTS matching and the first tries, for PUSH and HOOK the tries of a batch.", fastBuckets, "stream")
	r.matchTime = r.histograms("chatbell_match_duration_seconds",
		"Time from handing an event out until its targets were in their queues (path direct), or written to the streams (path fanout).", fastBuckets, "path")
	r.people = r.counter("chatbell_audience_people_total", "People about whom the rules were asked.")
	r.attempts = r.counters("chatbell_attempts_total", "Tries to deliver.", "target", "outcome", "reason")
	r.attemptTime = r.histograms("chatbell_attempt_duration_seconds", "Time one try took.", fastBuckets, "target")
	r.deliveries = r.counters("chatbell_deliveries_total", "Deliveries that have ended, whether or not anything was sent.", "target", "outcome", "reason")
	r.latency = r.histograms("chatbell_delivery_latency_seconds", "Time from accepting an event to the acceptance by a provider or an endpoint.", longBuckets, "target")
	r.noCredential = r.counters("chatbell_missing_credentials_total", "Deliveries that failed because nothing configured can reach the device.", "target")
}

// Handled counts one message of a stream.
func (r *Registry) Handled(stream, end string, took time.Duration) {
	r.messages.WithLabelValues(stream, end).Inc()
	r.messageTime.WithLabelValues(stream).Observe(took.Seconds())
}

// Matched counts an event whose audience was decided.
func (r *Registry) Matched(took time.Duration, audience uint32, fanOut bool) {
	path := "direct"
	if fanOut {
		path = "fanout"
	}
	r.matchTime.WithLabelValues(path).Observe(took.Seconds())
	r.people.Add(float64(audience))
}

// Tried counts one try; the reason is empty when it was accepted.
func (r *Registry) Tried(kind chatbell.TargetKind, outcome chatbell.Outcome, reason chatbell.Reason, took time.Duration) {
	target := targetLabel(kind)
	r.attempts.WithLabelValues(target, outcomeLabel(outcome), reasonLabel(reason)).Inc()
	r.attemptTime.WithLabelValues(target).Observe(took.Seconds())
}

// ended is what deliveries are counted by.
type ended struct {
	target  chatbell.TargetKind
	outcome chatbell.Outcome
	reason  chatbell.Reason
}

// Finished counts deliveries that have ended. Of many that ended alike, as those of a
// page do, each costs no more than an addition.
func (r *Registry) Finished(rows []chatbell.Delivery) {
	counts := map[ended]int{}
	unreachable := map[chatbell.TargetKind]int{}
	for i := range rows {
		row := &rows[i]
		counts[ended{row.Target, row.Outcome, row.Reason}]++
		if row.Outcome == chatbell.Accepted {
			r.latency.WithLabelValues(targetLabel(row.Target)).Observe(float64(row.LatencyMS) / 1000)
		}
		if row.Outcome == chatbell.Failed && row.Reason == chatbell.Auth && row.Attempts == 0 {
			unreachable[row.Target]++ // nobody refused a credential: there is none
		}
	}
	for e, n := range counts {
		r.deliveries.WithLabelValues(targetLabel(e.target), outcomeLabel(e.outcome), reasonLabel(e.reason)).Add(float64(n))
	}
	for target, n := range unreachable {
		r.noCredential.WithLabelValues(targetLabel(target)).Add(float64(n))
	}
}
