package clickhouse

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"chatbell"
	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/row"
	"chatbell/pipeline/ledger/rowcodec"
)

// wider is a row of deliveries in a build with one more column: its declaration ...
type wider struct {
	chatbell.Delivery
	Shard uint16 `json:"shard" description:"Which shard the user's device is in."`
}

// ... and its migration.
const addShard = `-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS shard UInt16;
`

// That is all that a column takes: the codec, the insert, the comment and the answer to a
// repeat follow from the declaration, also in a database that was made before, and where
// rows of the build before are still waiting.
func TestNewColumn(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	if err := open(t, e).Insert(t.Context(), "before", rows(0, 2)); err != nil {
		t.Fatal(err)
	}
	columns := row.Of[wider]()
	build, err := ours()
	if err != nil {
		t.Fatal(err)
	}
	build.migrations = oneMore(t, build.migrations)
	build.relations[0].columns = described(columns)
	s, err := openSchema(t.Context(), Config{DSN: e.DSN()}, build)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	var made []wider
	for i, d := range rows(2, 3).Deliveries {
		made = append(made, wider{Delivery: d, Shard: uint16(40_000 + i)})
	}
	waiting, err := rowcodec.DecodeRows(rowcodec.EncodeRows(made, columns), len(made), columns)
	if err != nil {
		t.Fatal(err)
	}
	old := rows(5, 1).Deliveries
	left, err := rowcodec.DecodeRows(rowcodec.EncodeRows(old, deliveries), len(old), columns)
	if err != nil {
		t.Fatalf("a row that the build before has written: %v", err)
	}
	table := &table[wider]{name: "deliveries", columns: columns, aged: func(w *wider) time.Time { return w.AcceptedAt }}
	if err := putTable(t.Context(), s, table, "token", append(waiting, left...), false); err != nil {
		t.Fatal(err)
	}
	same(t, e, "SELECT latency_ms, shard FROM {db}.deliveries ORDER BY latency_ms", "0\t0\n1\t0\n2\t40000\n3\t40001\n4\t40002\n5\t0")
	same(t, e, "SELECT comment FROM system.columns WHERE database = '{db}' AND table = 'deliveries' AND name = 'shard' FORMAT TSVRaw", "Which shard the user's device is in.")
	if known, err := s.Known(t.Context(), &chatbell.Results{Deliveries: append(rows(4, 1).Deliveries, rows(9, 1).Deliveries...)}); err != nil || len(known.Deliveries) != 1 {
		t.Errorf("known %v, %v; want the one that is", known, err)
	}
}

// oneMore are the migrations with one behind them.
func oneMore(t *testing.T, have fs.FS) fs.FS {
	t.Helper()
	files, err := fs.Glob(have, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	all := fstest.MapFS{fmt.Sprintf("%05d_shard.sql", len(files)+1): {Data: []byte(addShard)}}
	for _, name := range files {
		data, err := fs.ReadFile(have, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = &fstest.MapFile{Data: data}
	}
	return all
}
