package clickhouse_test

import (
	"strings"
	"testing"

	"chatbell"
	"chatbell/analytics/clickhouse"
	"chatbell/analytics/clickhouse/clickhousetest"
)

// A token that was there adds nothing, whatever comes with it, also for another store
// and after the engine was started again. Another token adds.
func TestTokensAddOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := clickhousetest.StartIn(t, dir)
	s := open(t, e)
	insert := func(s *clickhouse.Store, token string, r *chatbell.Results, want string) {
		t.Helper()
		if err := s.Insert(t.Context(), token, r); err != nil {
			t.Fatal(err)
		}
		same(t, e, counts, want)
	}
	insert(s, "1-5", rows(0, 5), "5\t5\t5\t5\t10")
	insert(s, "1-5", rows(0, 5), "5\t5\t5\t5\t10")
	insert(s, "1-5", rows(0, 4), "5\t5\t5\t5\t10") // a repeat may lack rows that are known by now
	insert(s, "6-7", rows(5, 2), "7\t7\t7\t7\t21")
	insert(s, "8-9", rows(5, 2), "9\t9\t9\t9\t32") // equal rows with another token are other rows
	insert(open(t, e), "1-5", rows(0, 5), "9\t9\t9\t9\t32")
	commented := strings.Split(e.Query("SELECT table, min(name) FROM system.columns WHERE database = '{db}' AND comment != '' GROUP BY table FORMAT TSVRaw"), "\n")
	if len(commented) != 6 {
		t.Fatalf("the tables and views with comments are %q", commented)
	}
	for _, line := range commented { // those of another build, which the next start changes
		table, column, _ := strings.Cut(line, "\t")
		e.Query("ALTER TABLE {db}." + table + " COMMENT COLUMN " + column + " 'other', MODIFY COMMENT 'other'")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = clickhousetest.StartIn(t, dir)
	s = open(t, e)
	insert(s, "6-7", rows(5, 2), "9\t9\t9\t9\t32")
	insert(s, "8-9", rows(5, 2), "9\t9\t9\t9\t32")
	insert(s, "10-11", rows(7, 2), "11\t11\t11\t11\t47")
}
