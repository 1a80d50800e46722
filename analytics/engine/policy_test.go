package engine_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// Settings are given once, for the whole query: what stands in a part of one would hold
// there without a look at the list of those that an analyst may give.
func TestSettingsWithinAQuery(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
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
		"SELECT * FROM (SELECT 1 /* */ settings\nmax_threads\n=64)", "SELECT * FROM (SELECT 1 SETTINGS `max_threads` = 64)", "SELECT 1 SETTINGS `max_threads` = 64", "SHOW TABLES WHERE name IN (SELECT 't'" + set + ")", "SHOW TABLES LIMIT (SELECT 1" + set + ")", "SHOW COLUMNS FROM t WHERE 1 IN (SELECT 1" + set + ")", "SHOW INDEXES FROM t WHERE 1 IN (SELECT 1" + set + ")",
		"SELECT * APPLY(x -> (SELECT getSetting('max_threads')" + set + ")) FROM t", "SELECT COLUMNS('a') APPLY(x -> (SELECT 1" + set + ")) FROM t", "SELECT sum(a) OVER (ORDER BY (SELECT 1" + set + ")) FROM t", "SELECT a FROM t ORDER BY a WITH FILL TO (SELECT 5" + set + ")",
		"SELECT * FROM (SELECT 1 SETTINGS additional_result_filter = 'x')",
		"SELECT * FROM (SELECT 1 SETTINGS additional_table_filters = {'t': 'a = 1'})", "SELECT 1 SETTINGS additional_table_filters = {'t': 'a = 1'}", "SHOW TABLES SETTINGS `max_threads` = 64", "EXPLAIN SELECT 1 SETTINGS `max_threads` = 64", "EXPLAIN SELECT 1 FORMAT CSV SETTINGS `max_threads` = 64",
	} {
		if got := a.Ask(q); got.Status == http.StatusOK {
			t.Errorf("%s\n\tgot %.200q", q, got.Body)
		}
	}
	if got := a.Ask("SELECT * FROM (SELECT 1" + set + ")"); !strings.Contains(got.Body, "(READONLY)") || !strings.Contains(got.Body, "at the end of the whole query") {
		t.Errorf("it is refused with %q", got.Body)
	}
	for query, want := range map[string]string{
		"SELECT 'a\n   Set\n' AS `Set`": "a\\n   Set\\n\n", "SELECT 1 AS SETTINGS": "1\n",
		"SELECT * FROM (SELECT getSetting('max_block_size')) SETTINGS max_block_size = 10":     "10\n",
		"SELECT getSetting('max_block_size') UNION ALL SELECT 10 SETTINGS max_block_size = 10": "10\n10\n",
		"EXPLAIN SYNTAX oneline = 1 SELECT 1":                                                  "SELECT 1 FROM system.one\n",
	} {
		if got := a.Ask(query); got.Body != want {
			t.Errorf("%s\n\tgot %d %.300q, want %q", query, got.Status, got.Body, want)
		}
	}
	if got := a.Must("EXPLAIN header = 1 SELECT 1 SETTINGS max_threads = 1"); !strings.Contains(got, "Header") {
		t.Errorf("EXPLAIN with an option: %q", got)
	}
}

// What the syntax tree does not show is found all the same: a function that is named where
// one is wanted, and what stands in the parts that the tree leaves out.
func TestFunctionsByName(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
	secret := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(secret, []byte("hidden_value"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := "'" + secret + "'"
	row := " FROM (SELECT " + path + " AS q)"
	for _, q := range []string{
		"SELECT * APPLY(file)" + row, "SELECT * APPLY file" + row, "SELECT * apply /**/ (`file`)" + row, "SELECT * APPLY(`f\\x69le`)" + row, "SELECT * APPLY(x -> file(x))" + row, "SELECT * APPLY(x -> `file`(x))" + row,
		"SELECT q.* APPLY(file) FROM (SELECT " + path + " AS a) AS q", "SELECT COLUMNS('q') APPLY(file)" + row, "SELECT COLUMNS(q) APPLY(file)" + row, "SELECT * EXCEPT(z) APPLY(file) FROM (SELECT 1 AS z, " + path + " AS q)", "SELECT * REPLACE(file(q) AS q)" + row,
		"SELECT * APPLY(toString) APPLY(file)" + row, "SELECT (SELECT * APPLY(file)" + row + ")", "DESCRIBE (SELECT * APPLY(file)" + row + ")", "EXPLAIN SELECT * APPLY(file)" + row, "SELECT * FROM view(SELECT * APPLY(file)" + row + ")", "SELECT hex(encrypt('aes-128-ecb', (SELECT * APPLY(file)" + row + "), '0123456789abcdef'))",
		"SELECT arrayMap(file, [" + path + "])", "SELECT arrayMap(`file`, [" + path + "])", `SELECT arrayMap("file", [` + path + `])`, "SELECT arrayFilter(file, [" + path + "])", "SELECT arrayMap(x -> arrayMap(file, [x]), [" + path + "])", "WITH file AS f SELECT arrayMap(f, [" + path + "])",
		"SHOW TABLES WHERE throwIf(file(" + path + ") = 'hidden_value', 'hidden_value')", "SHOW COLUMNS FROM t WHERE file(" + path + ") != ''", "SHOW INDEXES FROM t WHERE file(" + path + ") != ''", "SHOW DICTIONARIES WHERE file(" + path + ") != ''", "SHOW TABLES LIMIT length(file(" + path + "))",
		"SELECT a FROM t ORDER BY a WITH FILL INTERPOLATE (b AS file(" + path + "))", "SELECT a FROM t QUALIFY file(" + path + ") != ''", "SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY file(" + path + "))",
	} {
		for _, with := range [][]string{nil, {"offset", "1"}, {"limit", "0"}, {"max_result_rows", "1", "result_overflow_mode", "break"}} {
			if got := a.Ask(q, with...); got.Status == http.StatusOK || strings.Contains(got.Body, "hidden_") {
				t.Errorf("%s %v\n\tgot %d %.200q", q, with, got.Status, got.Body)
			}
		}
	}
	for _, name := range []string{"file", "FILE", "`file`", `"file"`, `f\x69le`} {
		if got := a.Ask("SELECT arrayMap({f:Identifier}, ["+path+"])", "param_f", name); got.Status == http.StatusOK {
			t.Errorf("{f:Identifier} of %q: got %.200q", name, got.Body)
		}
	}
	for query, want := range map[string]string{
		"SELECT arrayMap(upper, ['a'])": "['A']\n", "SELECT * APPLY(upper) FROM (SELECT 'a' AS x)": "A\n", "SELECT 'file(1)', 1 AS file": "file(1)\t1\n", "SELECT 1 AS user, user + 1": "1\t2\n",
		"SELECT t.file FROM (SELECT 1 AS file) AS t": "1\n", "SELECT url FROM (SELECT 1 AS url) ORDER BY url": "1\n", "SELECT 1 /* file('x') */ -- url('y')": "1\n", "SHOW TABLES WHERE name = 't'": "t\n",
		"SELECT settings FROM (SELECT 1 AS settings) AS x WHERE settings = 1": "1\n", "SELECT 'it''s \\\\ \\t SETTINGS a = 1'": "it\\'s \\\\ \\t SETTINGS a = 1\n",
	} {
		if got := a.Ask(query); got.Body != want {
			t.Errorf("%s\n\tgot %d %.300q, want %q", query, got.Status, got.Body, want)
		}
	}
	if got := a.Ask("SELECT {c:Identifier} FROM t WHERE a = 7", "param_c", "b"); got.Body != "row 7\n" {
		t.Errorf("a column by parameter: %d %q", got.Status, got.Body)
	}
}
