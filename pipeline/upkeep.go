package pipeline

import (
	"context"
	"log/slog"
	"time"
)

// Purger removes what all of the consumers have acknowledged from their stream.
type Purger interface {
	PurgeAcknowledged(ctx context.Context, stream string, durables ...string) error
}

// purgeInterval is how often consumed messages are removed: often enough that a
// stream is never much larger than what it has to remember.
const purgeInterval = 30 * time.Second

// Upkeep is the janitor: it removes consumed messages, behind the floor of their
// consumer, until the context ends. RESULTS is purged by the recorder.
func Upkeep(ctx context.Context, from Purger, log *slog.Logger) error {
	ticker := time.NewTicker(purgeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, c := range Consumers() {
			if err := from.PurgeAcknowledged(ctx, c.Stream, c.Durables()...); err != nil && ctx.Err() == nil {
				log.Warn("cannot purge consumed messages; trying again", "stream", c.Stream, "error", err)
			}
		}
	}
}
