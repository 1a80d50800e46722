package clickhouse

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"chatbell"
)

// slow is a server with a large table: each query takes a second.
type slow struct{ driver.Conn }

func (slow) Query(ctx context.Context, _ string, _ ...any) (driver.Rows, error) {
	select {
	case <-time.After(time.Second):
		return none{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type none struct{ driver.Rows }

func (none) Next() bool   { return false }
func (none) Err() error   { return nil }
func (none) Close() error { return nil }

// A block of possible repeats is looked up in many queries. Each has its time; all of
// them together may take longer than one, or the recorder would try the block for ever.
func TestLookupOfManyPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{conn: slow{}, database: "chatbell", turn: make(chan struct{}, 1), ready: true}
		asked := &chatbell.Results{Deliveries: make([]chatbell.Delivery, 40*lookupPage)}
		if _, err := s.Known(t.Context(), asked); err != nil {
			t.Error(err)
		}
	})
}
