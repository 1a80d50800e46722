package engine_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"chatbell/analytics/clickhouse/clickhousetest"
)

func TestHTTPInterface(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
	get := func(q url.Values) clickhousetest.Answer { return a.Do(http.MethodGet, q, "") }
	for _, c := range []struct {
		name   string
		answer clickhousetest.Answer
		status int
		body   string // a part of it
		header [2]string
	}{
		{"GET", get(url.Values{"query": {"SELECT 1"}}), 200, "1\n", [2]string{"X-ClickHouse-Format", "TabSeparated"}},
		{"POST", a.Ask("SELECT sum(a) FROM t"), 200, "499500\n", [2]string{}},
		{"address and body joined", a.Do(http.MethodPost, url.Values{"query": {"SELECT count()"}}, "FROM t"), 200, "1000\n", [2]string{}},
		{"qualified name", a.Ask("SELECT count() FROM chatbell.t"), 200, "1000", [2]string{}},
		{"database", a.Ask("SELECT currentDatabase()", "database", "system"), 200, "system", [2]string{}},
		{"no such database", a.Ask("SELECT 1", "database", "no`pe"), 404, "UNKNOWN_DATABASE", [2]string{"X-ClickHouse-Exception-Code", "81"}},
		{"parameter", a.Ask("SELECT {n:UInt32} + length({s:String})", "param_n", "40", "param_s", "x;"), 200, "42\n", [2]string{}},
		{"default_format", a.Ask("SELECT 1 AS x", "default_format", "JSONEachRow"), 200, `{"x":1}`, [2]string{"Content-Type", "application/x-ndjson; charset=UTF-8"}},
		{"FORMAT wins", a.Ask("SELECT 1 AS x FORMAT CSVWithNames", "default_format", "JSON"), 200, "\"x\"\n1\n", [2]string{"X-ClickHouse-Format", "CSVWithNames"}},
		{"header format", a.Do(http.MethodPost, nil, "SELECT 1 AS x", "X-ClickHouse-Format", "JSONEachRow"), 200, `{"x":1}`, [2]string{}},
		{"JSON", a.Ask("SELECT a FROM t WHERE a < 2 FORMAT JSON"), 200, `"rows": 2`, [2]string{"Content-Type", "application/json; charset=UTF-8"}},
		{"SHOW", a.Ask("SHOW TABLES FORMAT JSONEachRow"), 200, `{"name":"t"}`, [2]string{}},
		{"DESCRIBE", a.Ask("DESCRIBE TABLE t"), 200, "UInt32", [2]string{}},
		{"EXPLAIN", a.Ask("EXPLAIN SELECT * FROM t"), 200, "ReadFromMergeTree", [2]string{}},
		{"WITH", a.Ask("WITH 2 AS two SELECT two * 21"), 200, "42", [2]string{}},
		{"setting of form", a.Ask("SELECT 1 AS x, inf AS y FORMAT JSONEachRow", "output_format_json_quote_denormals", "1"), 200, `"inf"`, [2]string{}},
		{"setting of time", a.Ask("SELECT getSetting('max_execution_time')", "max_execution_time", "5"), 200, "5\n", [2]string{}},
		{"summary", a.Ask("SELECT sum(a) FROM t"), 200, "", [2]string{"X-ClickHouse-Summary", `{"read_rows":"1000"`}},
		{"query id", a.Ask("SELECT 1", "query_id", "mine"), 200, "", [2]string{"X-ClickHouse-Query-Id", "mine"}},
		{"wrong syntax", a.Ask("SELEC 1"), 400, "Code: 62. DB::Exception:", [2]string{"X-ClickHouse-Exception-Code", "62"}},
		{"unknown table", a.Ask("SELECT * FROM nope"), 404, "Code: 60. DB::Exception:", [2]string{"X-ClickHouse-Exception-Code", "60"}},
		{"unknown setting", a.Ask("SELECT 1", "max_exekution_time", "5"), 400, "Code: 115.", [2]string{}},
		{"nothing", a.Ask("  "), 400, "Empty query", [2]string{}},
		{"too long", a.Ask("SELECT '" + strings.Repeat("x", 2<<20) + "'"), 400, "Max query size", [2]string{}},
	} {
		if c.answer.Status != c.status || !strings.Contains(c.answer.Body, c.body) {
			t.Errorf("%s: got %d %.300q, want %d with %q", c.name, c.answer.Status, c.answer.Body, c.status, c.body)
		}
		if h := c.header; h[0] != "" && !strings.HasPrefix(c.answer.Header.Get(h[0]), h[1]) {
			t.Errorf("%s: header %s is %q, want %q", c.name, h[0], c.answer.Header.Get(h[0]), h[1])
		}
	}
}

func TestHealthNeedsNoPassword(t *testing.T) {
	t.Parallel()
	s := shared(t)
	for path, want := range map[string]int{"/ping": 200, "/": 200, "/replicas_status": 200, "/dashboard": 404, "/?query=SELECT+1": 401} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want || want == 200 && string(body) != "Ok.\n" {
			t.Errorf("%s: got %d %q, want %d", path, resp.StatusCode, body, want)
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	s := shared(t)
	w := clickhousetest.AsWriter(t, s)
	for _, c := range []struct {
		name   string
		user   string
		pw     string
		header []string
		query  url.Values
		want   int
	}{
		{name: "basic", user: "analyst", pw: password, want: 200},
		{name: "headers", header: []string{"Authorization", "", "X-ClickHouse-User", "analyst", "X-ClickHouse-Key", password}, want: 200},
		{name: "address", header: []string{"Authorization", ""}, query: url.Values{"user": {"analyst"}, "password": {password}}, want: 200},
		{name: "wrong password", user: "analyst", pw: "x", want: 401},
		{name: "no password", user: "analyst", want: 401},
		{name: "unknown user", user: "default", want: 401},
		{name: "writer's name, analyst's password", user: w.User, pw: password, want: 401},
		{name: "analyst's name, writer's password", user: "analyst", pw: w.Password, want: 401},
	} {
		q := url.Values{"query": {"SELECT 1"}}
		maps.Copy(q, c.query)
		got := clickhousetest.Client{T: t, Base: s.URL(), User: c.user, Password: c.pw}.Do(http.MethodGet, q, "", c.header...)
		if got.Status != c.want {
			t.Errorf("%s: got %d %q, want %d", c.name, got.Status, got.Body, c.want)
		}
		if c.want == 401 && got.Header.Get("X-ClickHouse-Exception-Code") != "516" {
			t.Errorf("%s: got code %q, want 516", c.name, got.Header.Get("X-ClickHouse-Exception-Code"))
		}
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
	got := a.Do(http.MethodPost, url.Values{"enable_http_compression": {"1"}}, "SELECT b FROM t ORDER BY a", "Accept-Encoding", "br;q=0, gzip")
	if got.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers: %v", got.Header)
	}
	z, err := gzip.NewReader(strings.NewReader(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || strings.Count(string(plain), "\n") != 1000 {
		t.Fatalf("unpacked %d bytes: %v", len(plain), err)
	}
	if got := a.Do(http.MethodPost, nil, "SELECT 1", "Accept-Encoding", "gzip"); got.Body != "1\n" {
		t.Errorf("compressed although not asked: %q", got.Body)
	}
	var body bytes.Buffer
	zw := gzip.NewWriter(&body)
	fmt.Fprint(zw, "SELECT 42")
	_ = zw.Close()
	if got := a.Do(http.MethodPost, nil, body.String(), "Content-Encoding", "gzip"); got.Body != "42\n" {
		t.Errorf("packed query: %d %q", got.Status, got.Body)
	}
	if got := a.Do(http.MethodPost, nil, "not gzip", "Content-Encoding", "gzip"); got.Status != 400 {
		t.Errorf("broken packing: %d %q", got.Status, got.Body)
	}
	if got := a.Do(http.MethodPost, nil, "x", "Content-Encoding", "snappy"); got.Status != 501 {
		t.Errorf("unknown packing: %d %q", got.Status, got.Body)
	}
}

// The official client must work as against a server, in each of its compressions.
func TestOfficialClient(t *testing.T) {
	t.Parallel()
	s := shared(t)
	for _, method := range []ch.CompressionMethod{ch.CompressionNone, ch.CompressionLZ4, ch.CompressionGZIP} {
		opt, err := ch.ParseDSN(s.DSN())
		if err != nil {
			t.Fatal(err)
		}
		opt.Compression = &ch.Compression{Method: method}
		conn, err := ch.Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		table := "c_" + method.String()
		if err := conn.Exec(ctx, "CREATE TABLE "+table+" (a UInt64, b LowCardinality(String), c DateTime64(3,'UTC')) ENGINE = MergeTree ORDER BY a"); err != nil {
			t.Fatalf("%v: %v", method, err)
		}
		b, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
		if err != nil {
			t.Fatalf("%v: %v", method, err)
		}
		const n = 100_000 // more than one block, on the way back too
		for i := range n {
			if err := b.Append(uint64(i), "x\ny", int64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Send(); err != nil {
			t.Fatalf("%v: %v", method, err)
		}
		rows, err := conn.Query(ctx, "SELECT a, b FROM "+table+" ORDER BY a")
		if err != nil {
			t.Fatalf("%v: %v", method, err)
		}
		var next uint64
		for rows.Next() {
			var got uint64
			var text string
			if err := rows.Scan(&got, &text); err != nil {
				t.Fatal(err)
			}
			if got != next || text != "x\ny" {
				t.Fatalf("%v: row %d is %d %q", method, next, got, text)
			}
			next++
		}
		if err := rows.Err(); err != nil || next != n {
			t.Errorf("%v: read %d rows of %d: %v", method, next, n, err)
		}
		_ = rows.Close()
		if err := conn.Exec(ctx, "DROP TABLE "+table+" SYNC"); err != nil {
			t.Errorf("%v: %v", method, err)
		}
		_ = conn.Close()
	}
}

// A body that is cut short inserts nothing.
func TestHalfSentInsert(t *testing.T) {
	t.Parallel()
	s := shared(t)
	w := clickhousetest.AsWriter(t, s)
	w.Must("CREATE TABLE half (a UInt32) ENGINE = MergeTree ORDER BY a")
	defer w.Must("DROP TABLE half SYNC")
	body := &failing{data: []byte("1\n2\n3\n")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/?query="+url.QueryEscape("INSERT INTO half FORMAT TSV"), body)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(w.User, w.Password)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Errorf("the request came through: %d", resp.StatusCode)
	}
	if got := w.Must("SELECT count() FROM half"); got != "0\n" {
		t.Errorf("rows: %q", got)
	}
}

// failing is a body whose sender dies.
type failing struct{ data []byte }

func (f *failing) Read(p []byte) (int, error) {
	if len(f.data) == 0 {
		return 0, fmt.Errorf("the sender died")
	}
	n := copy(p, f.data)
	f.data = f.data[n:]
	return n, nil
}
