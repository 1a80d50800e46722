package app

import (
	"context"
	"time"

	"chatbell/pipeline"
)

// purgeInterval is how often consumed messages are removed: often enough that a
// stream is never much larger than what it has to remember.
const purgeInterval = 30 * time.Second

// purge is the janitor: it removes consumed messages, behind the floor of their
// consumer, until the context ends. RESULTS is purged by the recorder.
func (a *App) purge(ctx context.Context) error {
	t := time.NewTicker(purgeInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		for _, c := range pipeline.Consumers() {
			if err := a.broker.PurgeAcknowledged(ctx, c.Stream, c.Name); err != nil && ctx.Err() == nil {
				a.log.Warn("cannot purge consumed messages; trying again", "stream", c.Stream, "error", err)
			}
		}
	}
}
