package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbell/pipeline/work"
)

// The embedded broker is looked at every second. What keeps it from writing for so long
// while the disk has room is not over when the disk's trouble is: after an error of a write
// it takes nothing until it is opened again.
const (
	brokenCheck = time.Second
	brokenFor   = 30 * time.Second
)

// writer tells whether a stream can be written.
type writer interface{ Writable(stream string) error }

// watchBroker ends the server when the embedded broker cannot write any more, so that a
// supervisor starts it again. Without that it would refuse everything until somebody looks.
func watchBroker(ctx context.Context, broker writer, disk interface{ Low() error }) error {
	ticker := time.NewTicker(brokenCheck)
	defer ticker.Stop()
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			err := errors.Join(broker.Writable(work.StreamEvents), broker.Writable(work.StreamResults))
			switch {
			case err == nil, disk.Low() != nil:
				since = time.Time{}
			case since.IsZero():
				since = now
			case now.Sub(since) >= brokenFor:
				return fmt.Errorf("the embedded broker has not been able to write since %s, although the disk has room, and cannot until it is opened again: "+
					"the server ends, to be started again: %w", since.UTC().Format(time.RFC3339), err)
			}
		}
	}
}
