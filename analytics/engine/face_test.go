package engine_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"chatbell/analytics/engine"
)

// midway fails after some rows have been sent.
const midway = "SELECT number, throwIf(number = 300000, 'boom') FROM numbers(400000)"

// An exception in the middle of an answer follows the rows, in the server's form, and the
// connection breaks, whatever the answer is packed with.
func TestExceptionMidway(t *testing.T) {
	t.Parallel()
	s := shared(t)
	var wg sync.WaitGroup // each waits for the connection's end
	for _, accept := range []string{"", "gzip", "zstd", "br"} {
		wg.Go(func() { askMidway(t, s, accept) })
	}
	wg.Wait()
	a := asAnalyst(t, s)
	if got := a.ask(midway, "wait_end_of_query", "1"); got.status != http.StatusInternalServerError || !strings.Contains(got.body, "boom") {
		t.Errorf("wait_end_of_query: got %d %.200q", got.status, got.body)
	}
	if got := a.ask(midway+" FORMAT JSONEachRow", "http_write_exception_in_output_format", "1", "max_block_size", "10000"); got.status != 200 || !strings.Contains(got.body, "\n{\"exception\":\"Code: 395.") {
		t.Errorf("in the format: got %d …%.300q", got.status, got.body[max(0, len(got.body)-300):])
	}
}

// askMidway asks for an answer that fails in the middle, packed with what is accepted.
func askMidway(t *testing.T, s *engine.Supervisor, accept string) {
	q := url.Values{"enable_http_compression": {"1"}, "max_block_size": {"10000"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/?"+q.Encode(), strings.NewReader(midway))
	if err != nil {
		t.Error(err)
		return
	}
	r.SetBasicAuth("analyst", password)
	r.Header.Set("Accept-Encoding", accept)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return
	}
	packed, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil {
		t.Errorf("%q: the connection ended well", accept)
	}
	tag := resp.Header.Get("X-ClickHouse-Exception-Tag")
	body := unpack(t, resp.Header.Get("Content-Encoding"), packed)
	_, block, ok := strings.Cut(body, "\r\n__exception__\r\n"+tag+"\r\n")
	if !ok || len(tag) != 16 || !strings.HasPrefix(block, "Code: 395. DB::Exception: ") || !strings.Contains(block, "boom") || !strings.HasSuffix(block, " "+tag+"\r\n__exception__\r\n") {
		t.Errorf("%q: the answer ends with %q (tag %q)", accept, body[max(0, len(body)-500):], tag)
	}
	if resp.Header.Get("Content-Encoding") != accept {
		t.Errorf("packed with %q, want %q", resp.Header.Get("Content-Encoding"), accept)
	}
}

func unpack(t *testing.T, coding string, packed []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(packed)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		z, err = zstd.NewReader(r)
		defer z.Close()
		r = z
	}
	if err != nil {
		t.Error(err)
		return ""
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("%s: %v", coding, err)
	}
	return string(plain)
}

// The official client shows the text of an exception in the middle.
func TestOfficialClientSeesExceptions(t *testing.T) {
	t.Parallel()
	s := shared(t)
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	// Each waits for the connection's end.
	var wg sync.WaitGroup
	for _, method := range []ch.CompressionMethod{ch.CompressionNone, ch.CompressionLZ4, ch.CompressionGZIP, ch.CompressionBrotli} { // in zstd blocks the client cannot read it, nor from a server
		wg.Go(func() {
			conn, err := ch.Open(&ch.Options{
				Protocol: ch.HTTP, Addr: []string{u.Host}, Auth: ch.Auth{Database: "chatbell", Username: "analyst", Password: password},
				Compression: &ch.Compression{Method: method, Level: 3},
			})
			if err != nil {
				t.Error(err)
				return
			}
			rows, err := conn.Query(t.Context(), midway)
			if err == nil {
				for rows.Next() {
				}
				err = rows.Err()
				rows.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "boom") {
				t.Errorf("%v: %v", method, err)
			}
			conn.Close()
		})
	}
	wg.Wait()
}

// Four who do not read their answers keep nobody from asking.
func TestAnswersThatNobodyReads(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, w := asAnalyst(t, s), asWriter(t, s)
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, leave := context.WithCancel(t.Context())
	defer wg.Wait()
	defer leave()
	for range 4 {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/", strings.NewReader("SELECT repeat('unread', 1000) FROM numbers(100000000)"))
		r.SetBasicAuth("analyst", password)
		if err := r.Write(c); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReaderSize(c, 16).ReadByte(); err != nil { // it has begun
			t.Fatal(err)
		}
	}
	if got := a.ask("SELECT 1"); got.body != "1\n" {
		t.Errorf("a fifth asker got %d %q", got.status, got.body)
	}
	waitFor(t, "the unread queries to end", func() bool {
		return w.must("SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT repeat')") == "0\n"
	})
}

// The interface's own parameters work, or say what they cannot do.
func TestParameters(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := asAnalyst(t, s)
	for _, kv := range [][2]string{
		{"session_id", "x"}, {"close_session", "1"}, {"session_timeout", "60"}, {"quota_key", "x"}, {"stacktrace", "1"}, {"wait_end_of_query", "1"}, {"buffer_size", "1000"},
		{"query_id", "x"}, {"readonly", "1"}, {"send_progress_in_http_headers", "1"}, {"use_query_cache", "1"}, {"max_threads", "64"}, {"max_memory_usage", "0"}, {"max_execution_time", "600"},
		{"date_time_input_format", "best_effort"}, {"enable_analyzer", "0"}, {"totals_mode", "before_having"}, {"max_bytes_to_read", "1000000"}, {"max_result_bytes", "1000000"},
	} {
		if got := a.ask("SELECT count() FROM t", kv[0], kv[1]); got.body != "1000\n" {
			t.Errorf("%s=%s: got %d %.300q", kv[0], kv[1], got.status, got.body)
		}
	}
	for _, c := range [][3]string{
		{"role", "admin", "Code: 511"}, {"session_check", "1", "Code: 372"}, {"session_timeout", "9999", "Code: 374"}, {"buffer_size", "x", "Code: 36"},
		{"http_zlib_compression_level", "99", "Code: 36"}, {"network_compression_method", "x", "Code: 36"}, {"join_algorithm", "x", "Setting join_algorithm cannot be"},
		{"http_response_headers", "{'a':'b'}", "Code: 164"}, {"max_network_bandwidth", "1", "Code: 164"}, {"no_such", "1", "Code: 115"},
	} {
		if got := a.ask("SELECT 1", c[0], c[1]); got.status == 200 || !strings.Contains(got.body, c[2]) || !strings.Contains(got.body, "(version ") {
			t.Errorf("%s=%s: got %d %.300q, want %q", c[0], c[1], got.status, got.body, c[2])
		}
	}
	for query, want := range map[string]string{
		"SELECT getSetting('max_threads') <= 64 SETTINGS max_threads = 1": "1\n", "SELECT getSetting('max_memory_usage') SETTINGS max_memory_usage = 0": "1073741824\n",
		"SELECT 1 AS x FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = true": "{\"x\":1}\n", "SELECT getSetting('join_use_nulls') SETTINGS join_use_nulls = 1 FORMAT CSV": "true\n",
		"DESCRIBE TABLE t SETTINGS describe_compact_output = 1": "a\tUInt32\nb\tString\n",
		"SELECT currentUser(), user(), hostName()":              "analyst\tanalyst\tchatbell\n", "SELECT 'currentUser()' -- user()": "currentUser()\n",
	} {
		if got := a.ask(query); got.body != want {
			t.Errorf("%s\n\tgot %d %.300q, want %q", query, got.status, got.body, want)
		}
	}
	if got := a.must("SELECT currentUser() FORMAT CSVWithNames"); got != "\"currentUser()\"\n\"analyst\"\n" {
		t.Errorf("the column's name: %q", got)
	}
	if got := a.must("SHOW GRANTS"); !strings.HasPrefix(got, "GRANT SHOW, SELECT ON chatbell.* TO analyst\n") || strings.Contains(got, "INSERT") {
		t.Errorf("grants: %.300q", got)
	}
	for _, q := range []string{"SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS max_network_bandwidth = 1"} {
		if got := a.ask(q); got.status == 200 {
			t.Errorf("%s: %q", q, got.body)
		}
	}
	if got := a.ask("SELECT * FROM nope"); strings.Contains(got.body, "system.one") {
		t.Errorf("a far guess: %q", got.body)
	}
	if got := a.ask("SELECT * FROM system.stack_trace"); !strings.Contains(got.body, "closed to this user") {
		t.Errorf("a closed table: %q", got.body)
	}
}

// Forms carry queries and their parameters; tables in them are refused in words.
func TestForms(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := asAnalyst(t, s)
	send := func(fields ...[2]string) answer {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		for _, f := range fields {
			_ = m.WriteField(f[0], f[1])
		}
		_ = m.Close()
		return a.do(http.MethodPost, nil, body.String(), "Content-Type", m.FormDataContentType())
	}
	if got := send([2]string{"query", "SELECT {x:UInt8} + 1"}, [2]string{"param_x", "41"}); got.body != "42\n" {
		t.Errorf("got %d %q", got.status, got.body)
	}
	if got := send([2]string{"query", "SELECT * FROM x"}, [2]string{"x", "1\n2\n"}, [2]string{"x_structure", "a UInt8"}); got.status != http.StatusNotImplemented || !strings.Contains(got.body, "external data is not supported") {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

// Tools in a browser may ask from another page.
func TestOtherOrigins(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := asAnalyst(t, s)
	got := a.do(http.MethodOptions, nil, "", "Origin", "https://tool.example", "Access-Control-Request-Method", "POST", "Authorization", "")
	if got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", got.status, got.header)
	}
	got = a.do(http.MethodPost, nil, "SELECT 1", "Origin", "https://tool.example")
	if got.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), "X-ClickHouse-Exception-Tag") {
		t.Errorf("answer: %v", got.header)
	}
	if got := a.do(http.MethodPost, nil, "SELECT 1"); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without an origin: %v", got.header)
	}
}

// Who reads a little at a time holds a place for two minutes at most; here it is two
// seconds.
func TestAnswersThatAreReadSlowly(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.AnswerTime = 2 * time.Second
	s := startOn(t, cfg)
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", hostOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/?max_block_size=1000", strings.NewReader("SELECT repeat('slowly', 1000) FROM numbers(100000000)"))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("analyst", password)
	begun := time.Now()
	if err := r.Write(c); err != nil {
		t.Fatal(err)
	}
	var read int64
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for err == nil { // 6 MB a second, of 600 GB
		var n int64
		n, err = io.CopyN(io.Discard, c, 64<<10)
		read += n
		<-pace.C
	}
	// 60 s is the query's own time, after which it ends in any case.
	if took := time.Since(begun); took < cfg.AnswerTime || took > 50*time.Second || read == 0 {
		t.Errorf("the answer ended after %v and %d bytes", took, read)
	}
	waitFor(t, "the query to end", func() bool {
		return asWriter(t, s).must("SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT repeat')") == "0\n"
	})
}
