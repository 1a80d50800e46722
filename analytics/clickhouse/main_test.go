package clickhouse

import (
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// open opens a store on the test's database; it closes with the test.
func open(t *testing.T, e *clickhousetest.Engine) *Store {
	t.Helper()
	return openAt(t, e.DSN())
}

func openAt(t *testing.T, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// same compares what the engine answers with what is expected.
func same(t *testing.T, e *clickhousetest.Engine, sql, want string) {
	t.Helper()
	if got := e.Query(sql); got != want {
		t.Errorf("%s\n  is   %q\n  want %q", sql, got, want)
	}
}
