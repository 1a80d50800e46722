package engine_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// An analyst reads our database and a few tables of the database system, whatever way a
// name is written. system.stack_trace stands for all others: reading it kills the engine.
func TestAnalystSeesOneDatabase(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a, w := clickhousetest.AsAnalyst(t, s), clickhousetest.AsWriter(t, s)
	w.Must("CREATE DATABASE private ENGINE = Atomic")
	defer w.Must("DROP DATABASE private SYNC")
	w.Must("CREATE TABLE private.t (hidden_a UInt32) ENGINE = MergeTree ORDER BY hidden_a AS SELECT 77001")
	pid := s.PID()
	for _, q := range []string{
		"SELECT max(length(trace)) FROM system.stack_trace", "SELECT * FROM `system`.`stack_trace`", `SELECT * FROM "system"."stack_trace"`, "SELECT * FROM system . /* */ stack_trace",
		"SELECT * FROM merge('system', '^stack_trace$')", "SELECT * FROM merge(REGEXP('^system$'), '^stack')", "SELECT * FROM view(SELECT * FROM system.stack_trace)",
		"SELECT * FROM (SELECT * FROM system.stack_trace)", "WITH x AS (SELECT * FROM system.stack_trace) SELECT * FROM x", "SELECT * FROM t JOIN system.stack_trace ON 1 = 1",
		"SELECT 1 IN (SELECT thread_id FROM system.stack_trace)", "SELECT 1 IN system.stack_trace", "SELECT (SELECT count() FROM system.stack_trace)", "SELECT count() FROM t WHERE a IN (SELECT thread_id FROM system.stack_trace)",
		"SELECT 1 UNION ALL SELECT thread_id FROM system.stack_trace", "SELECT * FROM remote('127.0.0.1', system.stack_trace)", "SELECT * FROM cluster('default', system.stack_trace)", "SELECT * FROM loop(system.stack_trace)",
		"SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM system.stack_trace))", "SELECT * FROM (EXPLAIN SELECT * FROM system.stack_trace)", "EXPLAIN SELECT * FROM system.stack_trace", "SELECT dictGet('system.stack_trace', 'trace', 1)", "SELECT joinGet('system.stack_trace', 'trace', 1)",
		"DESCRIBE system.stack_trace", "EXISTS system.stack_trace", "SHOW CREATE TABLE system.stack_trace", "DESCRIBE (SELECT * FROM system.stack_trace)", "TABLE system.stack_trace", "FROM system.stack_trace SELECT *",
		"SELECT * FROM system.users", "SELECT * FROM system.query_log", "SELECT * FROM system.disks", "SELECT * FROM system.server_settings", "SELECT * FROM system.errors", "SELECT * FROM system.build_options", "SELECT * FROM system.metrics",
		"SELECT * FROM private.t", "SELECT * FROM merge('private', '.*')", "DESCRIBE private.t", "SHOW CREATE TABLE private.t", "SELECT * FROM merge(REGEXP('.*'), '^t$')",
	} {
		if got := a.Ask(q); got.Status == http.StatusOK && strings.TrimSpace(got.Body) != "" && !strings.HasPrefix(q, "SELECT * FROM merge(REGEXP('.*')") || strings.Contains(got.Body, "77001") {
			t.Errorf("%s\n\tgot %d %.200q", q, got.Status, got.Body)
		}
	}
	for _, kv := range [][2]string{{"stack_trace", "system"}, {"t", "private"}} {
		if got := a.Ask("SELECT * FROM "+kv[0], "database", kv[1]); got.Status == http.StatusOK {
			t.Errorf("database=%s: got %.200q", kv[1], got.Body)
		}
		if got := a.Ask("SELECT * FROM {d:Identifier}.{t:Identifier}", "param_d", kv[1], "param_t", kv[0]); got.Status == http.StatusOK {
			t.Errorf("{%s:Identifier}: got %.200q", kv[0], got.Body)
		}
	}
	for _, q := range []string{
		"SELECT count() FROM system.tables WHERE database = 'private' OR name = 'stack_trace'", "SELECT count() FROM system.columns WHERE database = 'private'", "SELECT count() FROM system.parts WHERE database = 'private'",
		"SELECT count() FROM system.databases WHERE name IN ('private', 'default')", "SELECT count() FROM information_schema.tables WHERE table_schema = 'private'", "SELECT count() FROM system.completions WHERE word IN ('private', 'hidden_a')",
	} {
		if got := a.Ask(q); got.Body != "0\n" {
			t.Errorf("%s\n\tgot %d %.200q", q, got.Status, got.Body)
		}
	}
	if s.PID() != pid {
		t.Error("the engine fell")
	}
}

// What clients ask when they connect, draw a tree and complete names.
func TestAnalystsClientsFindTheirWay(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
	for _, q := range []string{
		"SHOW DATABASES", "SHOW TABLES", "SHOW FULL TABLES FROM chatbell", "SHOW TABLES FROM system", "SHOW CREATE TABLE t", "SHOW CREATE DATABASE chatbell", "SHOW COLUMNS FROM t", "SHOW INDEXES FROM t", "SHOW FUNCTIONS LIKE 'sum'",
		"SHOW SETTINGS LIKE 'readonly'", "SHOW ENGINES", "SHOW CURRENT ROLES", "DESCRIBE TABLE t", "DESCRIBE (SELECT 1 AS x)", "EXISTS t", "EXISTS DATABASE chatbell",
		"EXPLAIN SELECT * FROM t", "EXPLAIN AST SELECT 1", "EXPLAIN SYNTAX SELECT 1", "EXPLAIN PIPELINE SELECT 1", "EXPLAIN QUERY TREE SELECT 1", "EXPLAIN ESTIMATE SELECT * FROM t",
		"SELECT * FROM information_schema.tables", "SELECT * FROM INFORMATION_SCHEMA.COLUMNS", "SELECT * FROM information_schema.schemata", "SELECT * FROM information_schema.key_column_usage",
		"SELECT name, engine, total_rows, total_bytes, comment FROM system.tables WHERE database = 'chatbell'", "SELECT * FROM system.columns WHERE table = 't'", "SELECT version(), timezone(), currentDatabase()",
		"SELECT word, context FROM system.completions LIMIT 10", "SELECT name, value, readonly FROM system.settings WHERE name = 'readonly'", "SELECT sum(bytes_on_disk) FROM system.parts",
		"SELECT format('{} {}', 'a', 'b')", "SELECT CASE number WHEN 1 THEN 'one' END, number::String FROM numbers(3)", "SELECT * FROM merge('chatbell', '^t$') LIMIT 1",
		"SELECT uniqState(a), sumIf(a, b != ''), quantiles(0.5, 0.9)(a), topK(3)(b) FROM t FORMAT Null",
	} {
		if got := a.Ask(q); got.Status != http.StatusOK || got.Body == "" && !strings.Contains(q, "Null") {
			t.Errorf("%s\n\tgot %d %.300q", q, got.Status, got.Body)
		}
	}
	got := strings.Fields(a.Must("SHOW DATABASES"))
	if want := []string{"INFORMATION_SCHEMA", "chatbell", "information_schema", "system"}; !slices.Equal(got, want) {
		t.Errorf("databases: got %v, want %v", got, want)
	}
}
