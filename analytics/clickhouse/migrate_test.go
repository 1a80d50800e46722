package clickhouse

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// applied are the versions of a database that is up to date.
const applied = "0\n1\n2\n3"

func TestMigrationsMakeTheContract(t *testing.T) {
	e := clickhousetest.Shared(t)
	open(t, e)
	checkSchema(t, e, e.Name())
	same(t, e, "SELECT version_id FROM {db}.goose_db_version ORDER BY version_id", applied)
}

// Opening again changes nothing, and keeps the rows.
func TestOpenAgain(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	for i := range 3 {
		s, err := Open(t.Context(), Config{DSN: e.DSN()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Insert(t.Context(), fmt.Sprint("token-", i), rows(i, 1)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		checkSchema(t, e, e.Name())
		same(t, e, "SELECT version_id FROM {db}.goose_db_version ORDER BY version_id", applied)
		same(t, e, "SELECT count() FROM {db}.deliveries", fmt.Sprint(i+1))
	}
}

// Before goose, a table schema_migrations told what was done. Such a database is brought
// up to date with all that is in it.
func TestDatabaseFromBeforeGoose(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	e.Query("CREATE DATABASE {db}")
	db := openSQLAt(t, e.DSN())
	for _, statement := range append(tables(t), "CREATE TABLE schema_migrations (name String, applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY name",
		"INSERT INTO schema_migrations (name) VALUES ('0001_tables.sql')",
		"INSERT INTO deliveries (network, user_id, accepted_at, outcome) SELECT 'acme', toString(number), now(), 'accepted' FROM numbers(1000)",
		"INSERT INTO events (network, event_id, accepted_at) VALUES ('acme', 'old', now())") {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	s := open(t, e)
	checkSchema(t, e, e.Name())
	if err := s.Insert(t.Context(), "token", rows(0, 3)); err != nil {
		t.Fatal(err)
	}
	same(t, e, "SELECT count() FROM {db}.deliveries", "1003")
	same(t, e, "SELECT sum(deliveries) FROM {db}.deliveries_hourly", "1003")
	same(t, e, "SELECT count() FROM {db}.events WHERE event_id = 'old'", "1")
}

// What a newer chatbell has made is left alone.
func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	open(t, e)
	e.Query("INSERT INTO {db}.goose_db_version (version_id, is_applied) VALUES (99, 1)")
	_, err := Open(t.Context(), Config{DSN: e.DSN()})
	var newer *NewerSchemaError
	if !errors.As(err, &newer) || newer.Schema != 99 || newer.Database != e.Name() || !strings.Contains(err.Error(), "use the newer chatbell") {
		t.Errorf("Open of a newer schema: %v", err)
	}
	same(t, e, "SELECT max(version_id) FROM {db}.goose_db_version", "99")
}

// tables are the statements of the first migration.
func tables(t *testing.T) (out []string) {
	t.Helper()
	data, err := migrations.ReadFile("migrations/00001_tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	for s := range strings.SplitSeq(string(data), ";\n") {
		if _, statement, ok := strings.Cut(s, "CREATE "); ok {
			out = append(out, "CREATE "+statement)
		}
	}
	if len(out) != 6 {
		t.Fatalf("the migration has %d statements, want 6: four tables and two views", len(out))
	}
	return out
}

func openSQLAt(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	o, err := parseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := ch.OpenDB(o)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
