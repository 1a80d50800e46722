package deliver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/work"
)

// waitsPage is how many batches of one millisecond are read in one go.
const waitsPage = 256

// Waits are the deliveries of a batch's notification, at its destination, that wait in the
// destination's backlog. It implements [ledger.Backlogs]: a request that is redelivered
// finds the retry that it has led to already, whichever process has put it there.
func (d *Dispatcher) Waits(ctx context.Context, b *work.Batch) (map[chatbell.UUID]struct{}, error) {
	event, err := json.Marshal(b.Notification.EventID)
	if err != nil {
		return nil, fmt.Errorf("look for what waits: %w", err)
	}
	out := map[chatbell.UUID]struct{}{}
	if b.Notification.AcceptedAt.IsZero() {
		return out, nil
	}
	query := store.WaitingQuery{Destination: b.Destination.String(), Since: b.Notification.AcceptedAt, Limit: waitsPage}
	for {
		rows, err := d.cfg.Waiting.Waiting(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("look for what waits for %s: %w", b.Destination, err)
		}
		for _, row := range rows {
			query.After = row.Seq
			if !bytes.Contains(row.Payload, event) {
				continue // of another request of the same millisecond: not worth decoding
			}
			waiting, err := work.Decode(row.Payload)
			if err != nil {
				continue // is given up when its turn comes
			}
			for i := range waiting.Targets {
				out[waiting.DeliveryID(&waiting.Targets[i])] = struct{}{}
			}
		}
		if len(rows) < waitsPage {
			return out, nil
		}
	}
}
