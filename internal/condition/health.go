// Package condition tells how a running server is: to probes, whether it can accept requests
// and what is degraded all the same, and to whoever scrapes metrics, in numbers.
package condition

import (
	"context"
	"strings"

	"chatbell/analytics"
	"chatbell/analytics/engine"
	"chatbell/internal/datadir"
	"chatbell/internal/listen"
	"chatbell/internal/store"
	"chatbell/pipeline"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// Parts are what is asked. Engine is nil with an external ClickHouse.
type Parts struct {
	Intake   *intake.Intake
	Broker   *jetstream.Broker
	Store    Waiting
	Pipeline *pipeline.Pipeline
	Recorder *analytics.Recorder
	Engine   *engine.Supervisor
	Limiter  *listen.Limiter
	Disk     *datadir.Reserve

	rowLag rowLag // guarded by the lock of the metrics' part that reads it
}

// Waiting tells what waits in the store to be tried again.
type Waiting interface {
	Backlogs(ctx context.Context) ([]store.Backlog, error)
}

// Ready is nil while events can be accepted: there is room for them, the broker can
// write, and the last ones that came were stored.
func (a *Parts) Ready(ctx context.Context) error { return a.Intake.Ready(ctx) }

// Degraded names what does not work although events are accepted.
func (a *Parts) Degraded(context.Context) []string {
	var out []string
	switch {
	case a.Engine != nil && a.Engine.Err() != nil:
		out = append(out, "clickhouse: "+inShort(a.Engine.Err())+"; results wait until it answers")
	case !a.Recorder.Healthy():
		out = append(out, "clickhouse: results wait until it answers")
	}
	if err := a.Broker.Writable(work.StreamResults); err != nil {
		out = append(out, "broker: results cannot be written, so that nothing is sent for good; see the server's log and its disk, then restart it")
	}
	return append(out, a.Pipeline.Degraded()...)
}

// inShort is an error as one line of bounded length: the engine's words may be a page.
func inShort(err error) string {
	const most = 300
	line, _, _ := strings.Cut(err.Error(), "\n")
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}
