package clickhouse

import (
	"fmt"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// A row of the roll-up keeps the mark of the block that came last, however its parts are
// merged: by it a repeat finds what was counted.
func TestMarkOutlivesMerges(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	for i := range 20 {
		block := rows(i, 1)
		token := fmt.Sprint("block ", i)
		if err := s.Insert(t.Context(), token, block); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			e.Query("OPTIMIZE TABLE {db}.deliveries_hourly FINAL")
		}
		if found, err := s.counted(t.Context(), keyOf(&block.Deliveries[0]), markOf(token+"-202611")); err != nil || !found {
			t.Errorf("%s is not found in the roll-up: %v", token, err)
		}
	}
}
