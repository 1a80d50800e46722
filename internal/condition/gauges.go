package condition

import (
	"context"
	"time"

	"chatbell"
	"chatbell/internal/metrics"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// gaugeAge is how old the broker's and the store's numbers may be when they are scraped.
// Prometheus asks every 10 to 60 s and sees fresh ones; somebody who asks all the time
// costs the broker and the store no more than that.
const gaugeAge = 5 * time.Second

// Register says what is read when somebody scrapes /metrics.
func (a *Parts) Register(registry *metrics.Registry) {
	registry.Add(metrics.Part{Name: "health", Gauges: []metrics.Gauge{metrics.Ready, metrics.SendingPaused}, Read: a.readHealth})
	registry.Add(metrics.Part{
		Name: "streams", MaxAge: gaugeAge, Read: a.readStreams,
		Gauges: []metrics.Gauge{
			metrics.StreamPending, metrics.StreamInFlight, metrics.StreamMessages, metrics.StreamBytes, metrics.StreamLimit,
			metrics.DeadLetters, metrics.RecorderPending, metrics.RecorderRows,
		},
	})
	registry.Add(metrics.Part{
		Name:   "store",
		MaxAge: gaugeAge,
		Gauges: []metrics.Gauge{metrics.RetryPending, metrics.RetryOldest},
		Read:   a.readWaiting,
	})
	registry.Add(metrics.Part{Name: "queues", Gauges: []metrics.Gauge{metrics.QueueTries, metrics.Destinations, metrics.PushHosts, metrics.SuspectCredentials}, Read: a.readQueues})
	registry.Add(metrics.Part{
		Name: "connections", Read: a.readConnections,
		Gauges: []metrics.Gauge{metrics.Connections, metrics.ConnectionLimit, metrics.ConnectionsCut},
	})
	registry.Add(metrics.Part{Name: "disk", Gauges: []metrics.Gauge{metrics.DiskFree, metrics.DiskReserve}, Read: a.readDisk})
	registry.Add(metrics.Part{Name: "recorder", Gauges: []metrics.Gauge{metrics.RecorderLag}, Read: a.readRecorder})
	if a.Engine != nil {
		registry.Add(metrics.Part{
			Name:   "engine",
			Gauges: []metrics.Gauge{metrics.EngineUp, metrics.EngineRestarts, metrics.EngineCut, metrics.EngineWrong},
			Read:   a.readEngine,
		})
		registry.AddProcess("chatbell_engine", a.Engine.PID)
	}
}

func (a *Parts) readHealth(ctx context.Context, tell metrics.Tell) error {
	tell(metrics.Ready, truth(a.Ready(ctx) == nil))
	tell(metrics.SendingPaused, truth(a.Pipeline.Paused()))
	return nil
}

func (a *Parts) readStreams(ctx context.Context, tell metrics.Tell) error {
	// In this order: when all of the stream that is seen then was recorded before, nothing
	// was written in between, and the three belong together.
	done, recorded := a.Recorder.Recorded()
	written := a.Pipeline.Written()
	consumers := append(pipeline.Consumers(), pipeline.Consumer{Stream: work.StreamResults}, pipeline.Consumer{Stream: jetstream.DeadLetters})
	for _, c := range consumers {
		stream := c.Stream
		var durables []string
		if c.Name != "" {
			durables = c.Durables()
		}
		backlog, err := a.Broker.Backlog(ctx, stream, durables...)
		if err != nil {
			return err
		}
		tell(metrics.StreamMessages, float64(backlog.Messages), stream)
		tell(metrics.StreamBytes, float64(backlog.Bytes), stream)
		tell(metrics.StreamLimit, float64(backlog.MaxBytes), stream)
		switch stream {
		case work.StreamResults:
			messages := float64(backlog.LastSeq) - float64(min(done, backlog.LastSeq))
			tell(metrics.RecorderPending, messages)
			tell(metrics.RecorderRows, a.rowLag.rows(written, recorded, messages))
		case jetstream.DeadLetters:
			tell(metrics.DeadLetters, float64(backlog.LastSeq))
		default:
			tell(metrics.StreamPending, float64(backlog.Pending), stream)
			tell(metrics.StreamInFlight, float64(backlog.InFlight), stream)
		}
	}
	return nil
}

// rowLag counts the rows of RESULTS that wait for ClickHouse: those that this process
// wrote without those that it recorded. It does not know what an earlier process left, nor
// of a message whose acknowledgement was lost, so that the count begins anew whenever
// nothing waits, and no message counts as less than a row.
type rowLag struct{ even float64 } // written less recorded, when nothing waited last

func (l *rowLag) rows(written, recorded uint64, messages float64) float64 {
	waiting := float64(written) - float64(recorded)
	if messages == 0 {
		l.even = waiting
		return 0
	}
	return max(messages, waiting-l.even)
}

func (a *Parts) readWaiting(ctx context.Context, tell metrics.Tell) error {
	backlogs, err := a.Store.Backlogs(ctx)
	rows := map[chatbell.TargetKind]int64{}
	oldest := map[chatbell.TargetKind]time.Time{}
	for _, b := range backlogs {
		rows[b.Kind] += b.Rows
		if first := oldest[b.Kind]; first.IsZero() || b.Oldest.Before(first) {
			oldest[b.Kind] = b.Oldest
		}
	}
	for kind, n := range rows {
		tell(metrics.RetryPending, float64(n), string(kind))
		tell(metrics.RetryOldest, max(0, time.Since(oldest[kind]).Seconds()), string(kind))
	}
	return err
}

func (a *Parts) readQueues(_ context.Context, tell metrics.Tell) error {
	for _, l := range a.Pipeline.Load() {
		tell(metrics.QueueTries, float64(l.Waiting), string(l.Target), "waiting")
		tell(metrics.QueueTries, float64(l.Sending), string(l.Target), "sending")
		tell(metrics.Destinations, float64(l.Closed), string(l.Target), "closed")
		tell(metrics.Destinations, float64(l.Degraded), string(l.Target), "degraded")
		tell(metrics.Destinations, float64(l.Open), string(l.Target), "open")
		if l.Target != chatbell.TargetWebhook {
			tell(metrics.SuspectCredentials, float64(l.Holding), string(l.Target), "holding")
			tell(metrics.SuspectCredentials, float64(l.Sparing), string(l.Target), "sparing")
		}
	}
	for _, h := range a.Pipeline.Hosts() {
		tell(metrics.PushHosts, float64(h.Closed), string(h.Target), "closed")
		tell(metrics.PushHosts, float64(h.Open), string(h.Target), "open")
	}
	return nil
}

func (a *Parts) readConnections(_ context.Context, tell metrics.Tell) error {
	stats := a.Limiter.Stats()
	tell(metrics.Connections, float64(stats.Open))
	tell(metrics.ConnectionLimit, float64(stats.Max))
	tell(metrics.ConnectionsCut, float64(stats.Closed), "for_others")
	tell(metrics.ConnectionsCut, float64(stats.Refused), "at_once")
	return nil
}

func (a *Parts) readDisk(_ context.Context, tell metrics.Tell) error {
	free, kept := a.Disk.Room()
	tell(metrics.DiskFree, float64(free))
	tell(metrics.DiskReserve, float64(kept))
	return nil
}

func (a *Parts) readRecorder(_ context.Context, tell metrics.Tell) error {
	lag := 0.0
	if _, oldest := a.Recorder.Progress(); !oldest.IsZero() {
		lag = max(0, time.Since(oldest).Seconds())
	}
	tell(metrics.RecorderLag, lag)
	return nil
}

func (a *Parts) readEngine(_ context.Context, tell metrics.Tell) error {
	tell(metrics.EngineUp, truth(a.Engine.Err() == nil))
	tell(metrics.EngineRestarts, float64(a.Engine.Restarts()))
	strangers := a.Engine.Strangers()
	tell(metrics.EngineCut, float64(strangers.Cut), "for_others")
	tell(metrics.EngineCut, float64(strangers.Refused), "at_once")
	tell(metrics.EngineWrong, float64(strangers.WrongPasswords))
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
