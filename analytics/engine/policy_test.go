package engine_test

import (
	"net/http"
	"strings"
	"testing"
)

// Settings are given once, for the whole query: what stands in a part of one would hold
// there without a look at the list of those that an analyst may give.
func TestSettingsWithinAQuery(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := asAnalyst(t, s)
	const set = " SETTINGS max_threads = 64"
	for _, q := range []string{
		"SELECT * FROM (SELECT getSetting('max_threads')" + set + ")", "SELECT * FROM (SELECT getSetting('max_threads')" + set + ") SETTINGS max_block_size = 10",
		"SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)", "SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)", "SELECT * FROM (SELECT 1 SETTINGS limit = 1)",
		"SELECT getSetting('max_threads')" + set + " UNION ALL SELECT 1", "SELECT 1 UNION ALL (SELECT 2" + set + ")", "SELECT 1 UNION ALL SELECT 2" + set + " UNION DISTINCT SELECT 3",
		"SELECT 1" + set + " INTERSECT SELECT 1", "SELECT 1" + set + " EXCEPT SELECT 2", "(SELECT 1" + set + ")", "((SELECT 1" + set + "))", "SELECT * FROM (SELECT 1" + set + " UNION ALL SELECT 2)",
		"WITH x AS (SELECT 1" + set + ") SELECT * FROM x", "WITH (SELECT 1" + set + ") AS x SELECT x", "WITH RECURSIVE x AS (SELECT 1 AS n" + set + " UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT * FROM x",
		"SELECT * FROM view(SELECT 1" + set + ")", "SELECT * FROM viewIfPermitted(SELECT 1" + set + " ELSE null('x UInt8'))", "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1" + set + "))", "SELECT * FROM (EXPLAIN SELECT 1" + set + ")",
		"SELECT 1 IN (SELECT 1" + set + ")", "SELECT (SELECT 1" + set + ")", "SELECT EXISTS(SELECT 1" + set + ")", "SELECT 1 WHERE 1 = (SELECT 1" + set + ")", "SELECT * FROM t JOIN (SELECT toUInt32(1) AS a" + set + ") AS u USING a",
		"SELECT sum(a) FROM t HAVING 1 IN (SELECT 1" + set + ")", "SELECT a FROM t ORDER BY (SELECT 1" + set + ")", "SELECT arrayMap(x -> (SELECT 1" + set + "), [1])", "SELECT 1 LIMIT (SELECT 1" + set + ")",
		"EXPLAIN SELECT * FROM (SELECT 1" + set + ")", "EXPLAIN header = 1 SELECT 1" + set + " UNION ALL SELECT 2", "EXPLAIN SELECT 1" + set + " FORMAT CSV SETTINGS limit = 1", "EXPLAIN PIPELINE SELECT 1" + set + " UNION ALL SELECT 2",
		"DESCRIBE (SELECT 1" + set + ")", "DESCRIBE (SELECT 1" + set + ") SETTINGS describe_compact_output = 1", "SELECT 1 FORMAT JSON" + set + " SETTINGS limit = 1", "SELECT 1" + set + " FORMAT JSON SETTINGS limit = 1",
		"SELECT * FROM (SELECT 1 /* */ settings\nmax_threads\n=64)", "SELECT * FROM (SELECT 1 SETTINGS `max_threads` = 64)", "SELECT 1 SETTINGS `max_threads` = 64", "SELECT * FROM (SELECT 1 SETTINGS additional_result_filter = 'x')",
		"SELECT * FROM (SELECT 1 SETTINGS additional_table_filters = {'t': 'a = 1'})", "SELECT 1 SETTINGS additional_table_filters = {'t': 'a = 1'}", "SHOW TABLES SETTINGS `max_threads` = 64", "EXPLAIN SELECT 1 SETTINGS `max_threads` = 64", "EXPLAIN SELECT 1 FORMAT CSV SETTINGS `max_threads` = 64",
	} {
		if got := a.ask(q); got.status == http.StatusOK {
			t.Errorf("%s\n\tgot %.200q", q, got.body)
		}
	}
	if got := a.ask("SELECT * FROM (SELECT 1" + set + ")"); !strings.Contains(got.body, "(READONLY)") || !strings.Contains(got.body, "at the end of the whole query") {
		t.Errorf("it is refused with %q", got.body)
	}
	for query, want := range map[string]string{
		"SELECT 'a\n   Set\n' AS `Set`": "a\\n   Set\\n\n", "SELECT 1 AS SETTINGS": "1\n",
		"SELECT * FROM (SELECT getSetting('max_block_size')) SETTINGS max_block_size = 10":     "10\n",
		"SELECT getSetting('max_block_size') UNION ALL SELECT 10 SETTINGS max_block_size = 10": "10\n10\n",
		"EXPLAIN SYNTAX oneline = 1 SELECT 1":                                                  "SELECT 1 FROM system.one\n",
	} {
		if got := a.ask(query); got.body != want {
			t.Errorf("%s\n\tgot %d %.300q, want %q", query, got.status, got.body, want)
		}
	}
	if got := a.must("EXPLAIN header = 1 SELECT 1 SETTINGS max_threads = 1"); !strings.Contains(got, "Header") {
		t.Errorf("EXPLAIN with an option: %q", got)
	}
}
