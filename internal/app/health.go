package app

import (
	"context"
	"strings"

	"chatbell/pipeline/work"
)

// health answers /readyz.
type health struct{ app *App }

// Ready is nil while events can be accepted: there is room for them, the broker can
// write, and the last ones that came were stored.
func (h health) Ready(ctx context.Context) error { return h.app.intake.Ready(ctx) }

// Degraded names what does not work although events are accepted.
func (h health) Degraded(context.Context) []string {
	var out []string
	switch {
	case h.app.engine != nil && h.app.engine.Err() != nil:
		out = append(out, "clickhouse: "+inShort(h.app.engine.Err())+"; results wait until it answers")
	case !h.app.recorder.Healthy():
		out = append(out, "clickhouse: results wait until it answers")
	}
	if err := h.app.broker.Writable(work.StreamResults); err != nil {
		out = append(out, "broker: results cannot be written, so that nothing is sent for good; see the server's log and its disk, then restart it")
	}
	return out
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
