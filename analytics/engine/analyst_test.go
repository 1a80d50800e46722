package engine_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// What an analyst must not do, in the ways that people try.
func TestAnalystOnlyReads(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a, w := clickhousetest.AsAnalyst(t, s), clickhousetest.AsWriter(t, s)
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("hidden_column\nhidden_value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var called atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called.Add(1)
		_, _ = w.Write([]byte("hidden_column\nhidden_value\n"))
	}))
	defer web.Close()
	out := filepath.Join(t.TempDir(), "out.csv")
	for _, q := range []string{
		"INSERT INTO t VALUES (1, 'x')", "insert into t select 1, 'x'", "/* SELECT */ INSERT INTO t SELECT 1, ''", "CREATE TABLE u (a Int8) ENGINE = Memory",
		"DROP TABLE t", "TRUNCATE TABLE t", "ALTER TABLE t DELETE WHERE 1", "DELETE FROM t WHERE 1", "UPDATE t SET b = '' WHERE 1", "OPTIMIZE TABLE t FINAL",
		"CREATE TEMPORARY TABLE x (a Int8)", "CREATE FUNCTION f AS x -> file(x)", "CREATE VIEW v AS SELECT 1", "RENAME TABLE t TO u", "EXCHANGE TABLES t AND t",
		"DETACH TABLE t", "ATTACH TABLE t", "SYSTEM SHUTDOWN", "SYSTEM STOP MERGES", "KILL QUERY WHERE 1", "USE system", "BACKUP DATABASE chatbell TO File('x')",
		"GRANT ALL ON *.* TO default", "EXECUTE AS default SELECT 1", "EXECUTE AS default",
		"SET readonly = 0", "SET max_threads = 64", "SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS allow_introspection_functions = 1",
		"SELECT 1; DROP TABLE t", "SELECT 1; SELECT 2", "SELECT 1; 'x", "SELECT 1; /*", "SELECT 1; SELEC",
		// What does not parse behind a statement that does: the engine would run the first.
		"SELECT file('" + secret + "');; ; 'x", "SELECT file('" + secret + "'); /*", "SELECT file('" + secret + "'); \\", "SELECT file('" + secret + "'); SELEC", "SELECT 1;;SELECT file('" + secret + "')", "SELECT 1 PARALLEL WITH DROP TABLE t",
		"SELECT * FROM t INTO OUTFILE '" + out + "'", "SELECT * FROM t InTo /**/ OutFile '" + out + "' TRUNCATE FORMAT CSV",
		"INSERT INTO FUNCTION file('" + out + "') SELECT 1", "INSERT INTO t FROM INFILE '" + secret + "' FORMAT CSV",
		"SELECT file('" + secret + "')", "SELECT `file`('" + secret + "')", "SELECT /**/ file/**/('" + secret + "')", "SELECT arrayMap(x -> file(x), ['" + secret + "'])",
		"SELECT ('" + secret + "') AS p, file(p)", "WITH file('" + secret + "') AS x SELECT x", "SELECT 1 WHERE file('" + secret + "') != ''",
		"SELECT * FROM (SELECT file('" + secret + "') AS c)", "SELECT 1 UNION ALL SELECT length(file('" + secret + "'))", "SELECT 1 IN (SELECT length(file('" + secret + "')))",
		"EXPLAIN SELECT file('" + secret + "')", "EXPLAIN SYNTAX SELECT file('" + secret + "')", "EXPLAIN PLAN actions = 1 SELECT file('" + secret + "')",
		"DESCRIBE (SELECT file('" + secret + "'))", "SELECT * FROM view(SELECT file('" + secret + "'))",
		"SELECT * FROM file('" + secret + "')", "SELECT * FROM FILE('" + secret + "', 'CSVWithNames')", "SELECT * FROM '" + secret + "'", "SELECT * FROM `" + secret + "`",
		"SELECT * FROM default.`" + secret + "`", "DESCRIBE TABLE default.`" + secret + "`", "SHOW CREATE TABLE default.`" + secret + "`",
		"DESCRIBE TABLE file('" + secret + "', 'CSVWithNames')", "DESC fileCluster('default', '" + secret + "', 'CSVWithNames')",
		"DESCRIBE TABLE url('" + web.URL + "', 'CSVWithNames')", "SELECT * FROM url('" + web.URL + "', 'CSVWithNames')", "DESCRIBE s3('" + web.URL + "/b/k.csv', 'CSVWithNames')",
		"SELECT * FROM s3('" + web.URL + "/b/k.csv', 'CSVWithNames')", "DESCRIBE urlCluster('default', '" + web.URL + "', 'CSVWithNames')",
		"EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'd', 't', 'u', 'p') PARTITION BY a", "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
		"SELECT * FROM remote('127.0.0.1', system.one)", "DESCRIBE remote('127.0.0.1', system.one)", "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
		"SELECT * FROM executable('id', 'TSV', 'a String')", "SELECT * FROM sqlite('/tmp/x', 't')", "SELECT * FROM eval('SELECT 1')", "SELECT * FROM fuzzQuery('SELECT 1')",
		"SELECT * FROM jdbc('x', 'y')", "SELECT * FROM odbc('x', 'y')", "SELECT * FROM hdfs('x')", "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')", "SELECT * FROM mongodb('127.0.0.1:1','d','c','u','p','a Int8')",
		"SELECT addressToLine(1)", "SELECT catboostEvaluate('/tmp/x', 1)",
	} {
		got := a.Ask(q)
		if got.Status == http.StatusOK || strings.Contains(got.Body, "hidden_") {
			t.Errorf("%s\n\tgot %d %.200q", q, got.Status, got.Body)
		}
	}
	for _, kv := range [][2]string{
		{"allow_introspection_functions", "1"}, {"format_schema_path", "/"}, {"output_format_schema", out},
		{"format_template_row", secret}, {"allow_experimental_eval_table_function", "1"}, {"path", "/tmp"}, {"config-file", secret}, {"implicit_select", "1"},
	} {
		if got := a.Ask("SELECT 1", kv[0], kv[1]); got.Status == http.StatusOK {
			t.Errorf("setting %s was taken", kv[0])
		}
	}
	// readonly itself is what clients of read-only users send along: it changes nothing.
	if got := a.Ask("INSERT INTO t VALUES (1, 'x')", "readonly", "0"); got.Status == http.StatusOK {
		t.Error("readonly=0 was taken")
	}
	if called.Load() != 0 {
		t.Errorf("the engine called out %d times", called.Load())
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the engine wrote a file")
	}
	if got := w.Must("SELECT count() FROM t"); got != "1000\n" {
		t.Errorf("rows after all this: %s", got)
	}
}

// One asker's connection leaves nothing behind for the next.
func TestAnalystsDoNotMeet(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
	a.Must("SELECT currentDatabase()", "database", "system", "max_result_rows", "10", "param_x", "1")
	if got := a.Must("SELECT currentDatabase(), getSetting('max_result_rows')"); got != "chatbell\t0\n" {
		t.Errorf("got %q", got)
	}
	if got := a.Ask("SELECT {x:UInt8}"); got.Status == http.StatusOK {
		t.Errorf("a parameter stayed: %q", got.Body)
	}
}
