package engine_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// ClickHouse's own page for asking is there, without a password, and what it sends when
// it is opened and when somebody asks is answered.
func TestPlay(t *testing.T) {
	t.Parallel()
	s := shared(t)
	resp, err := http.Get(s.URL() + "/play")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	body := string(page)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/html; charset=UTF-8" {
		t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
	}
	if len(body) < 10_000 || !strings.HasPrefix(body, "<!DOCTYPE html>\n") || !strings.HasSuffix(body, "</script>\n</html>\n") || strings.Count(body, "<title>ClickHouse Query<") != 1 {
		t.Errorf("the page has %d bytes, from %.100q to %q", len(body), body, body[max(0, len(body)-100):])
	}
	a := clickhousetest.AsAnalyst(t, s)
	if got := a.Do(http.MethodOptions, url.Values{"query": {""}}, "", "Authorization", "never", "Origin", "null"); got.Status >= 300 {
		t.Errorf("its look whether there is a server: %d", got.Status)
	}
	send := func(query string, kv ...string) clickhousetest.Answer {
		q := url.Values{"add_http_cors_header": {"1"}, "user": {a.User}, "password": {a.Password}}
		for i := 0; i < len(kv); i += 2 {
			q.Set(kv[i], kv[i+1])
		}
		return a.Do(http.MethodPost, q, query, "Authorization", "never")
	}
	for _, c := range []struct {
		query string
		with  []string
		want  string
	}{
		{"SELECT version() AS v, uptime() AS t", []string{"default_format", "JSONEachRow"}, `{"v":"`},
		{"SELECT database, database = currentDatabase() AS current FROM system.databases WHERE database != 'INFORMATION_SCHEMA'", []string{"default_format", "JSON"}, `"database": "chatbell"`},
		{"SELECT table, engine, total_rows, total_bytes FROM system.tables WHERE database = {database:String}", []string{"default_format", "JSON", "param_database", "chatbell"}, `"table": "t"`},
		{"SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position", []string{"default_format", "JSON", "param_database", "chatbell", "param_table", "t"}, `"name": "a"`},
		{"SELECT DISTINCT arrayJoin(extractAll(word, '[\\\\w]{2,}')) AS res FROM system.completions WHERE context IN ('function')", []string{"default_format", "TSVRaw"}, "sipHash64\n"},
		{"SELECT count() FROM t", strings.Fields("default_format JSONStringsEachRowWithProgress enable_http_compression 1 use_query_cache 1 enable_reads_from_query_cache 0 enable_writes_to_query_cache 1 query_cache_ttl 600 query_cache_nondeterministic_function_handling save query_cache_system_table_handling ignore extremes 1"), `"1000"`},
	} {
		if got := send(c.query, c.with...); got.Status != http.StatusOK || !strings.Contains(got.Body, c.want) {
			t.Errorf("%s\n\tgot %d %.300q, want %q", c.query, got.Status, got.Body, c.want)
		}
	}
}
