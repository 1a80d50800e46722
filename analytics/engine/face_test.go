package engine_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"chatbell/analytics/clickhouse/clickhousetest"
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
	a := clickhousetest.AsAnalyst(t, s)
	if got := a.Ask(midway, "wait_end_of_query", "1"); got.Status != http.StatusInternalServerError || !strings.Contains(got.Body, "boom") {
		t.Errorf("wait_end_of_query: got %d %.200q", got.Status, got.Body)
	}
	if got := a.Ask(midway+" FORMAT JSONEachRow", "http_write_exception_in_output_format", "1", "max_block_size", "10000"); got.Status != 200 || !strings.Contains(got.Body, "\n{\"exception\":\"Code: 395.") {
		t.Errorf("in the format: got %d …%.300q", got.Status, got.Body[max(0, len(got.Body)-300):])
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

// The interface's own parameters work, or say what they cannot do.
func TestParameters(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
	for _, kv := range [][2]string{
		{"session_id", "x"}, {"close_session", "1"}, {"session_timeout", "60"}, {"quota_key", "x"}, {"stacktrace", "1"}, {"wait_end_of_query", "1"}, {"buffer_size", "1000"},
		{"query_id", "x"}, {"readonly", "1"}, {"send_progress_in_http_headers", "1"}, {"use_query_cache", "1"}, {"max_threads", "64"}, {"max_memory_usage", "0"}, {"max_execution_time", "600"},
		{"date_time_input_format", "best_effort"}, {"enable_analyzer", "0"}, {"totals_mode", "before_having"}, {"max_bytes_to_read", "1000000"}, {"max_result_bytes", "1000000"},
	} {
		if got := a.Ask("SELECT count() FROM t", kv[0], kv[1]); got.Body != "1000\n" {
			t.Errorf("%s=%s: got %d %.300q", kv[0], kv[1], got.Status, got.Body)
		}
	}
	for _, c := range [][3]string{
		{"role", "admin", "Code: 511"}, {"session_check", "1", "Code: 372"}, {"session_timeout", "9999", "Code: 374"}, {"buffer_size", "x", "Code: 36"},
		{"http_zlib_compression_level", "99", "Code: 36"}, {"network_compression_method", "x", "Code: 36"}, {"join_algorithm", "x", "Setting join_algorithm cannot be"},
		{"http_response_headers", "{'a':'b'}", "Code: 164"}, {"max_network_bandwidth", "1", "Code: 164"}, {"no_such", "1", "Code: 115"},
	} {
		if got := a.Ask("SELECT 1", c[0], c[1]); got.Status == 200 || !strings.Contains(got.Body, c[2]) || !strings.Contains(got.Body, "(version ") {
			t.Errorf("%s=%s: got %d %.300q, want %q", c[0], c[1], got.Status, got.Body, c[2])
		}
	}
	for query, want := range map[string]string{
		"SELECT getSetting('max_threads') <= 64 SETTINGS max_threads = 1": "1\n", "SELECT getSetting('max_memory_usage') SETTINGS max_memory_usage = 0": "1073741824\n",
		"SELECT 1 AS x FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = true": "{\"x\":1}\n", "SELECT getSetting('join_use_nulls') SETTINGS join_use_nulls = 1 FORMAT CSV": "true\n",
		"DESCRIBE TABLE t SETTINGS describe_compact_output = 1": "a\tUInt32\nb\tString\n",
		"SELECT currentUser(), user(), hostName()":              "analyst\tanalyst\tchatbell\n", "SELECT 'currentUser()' -- user()": "currentUser()\n",
	} {
		if got := a.Ask(query); got.Body != want {
			t.Errorf("%s\n\tgot %d %.300q, want %q", query, got.Status, got.Body, want)
		}
	}
	if got := a.Must("SELECT currentUser() FORMAT CSVWithNames"); got != "\"currentUser()\"\n\"analyst\"\n" {
		t.Errorf("the column's name: %q", got)
	}
	if got := a.Must("SHOW GRANTS"); !strings.HasPrefix(got, "GRANT SHOW, SELECT ON chatbell.* TO analyst\n") || strings.Contains(got, "INSERT") {
		t.Errorf("grants: %.300q", got)
	}
	for _, q := range []string{"SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS max_network_bandwidth = 1"} {
		if got := a.Ask(q); got.Status == 200 {
			t.Errorf("%s: %q", q, got.Body)
		}
	}
	if got := a.Ask("SELECT * FROM nope"); strings.Contains(got.Body, "system.one") {
		t.Errorf("a far guess: %q", got.Body)
	}
	if got := a.Ask("SELECT * FROM system.stack_trace"); !strings.Contains(got.Body, "closed to this user") {
		t.Errorf("a closed table: %q", got.Body)
	}
}

// Forms carry queries and their parameters; tables in them are refused in words.
func TestForms(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
	send := func(fields ...[2]string) clickhousetest.Answer {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		for _, f := range fields {
			_ = m.WriteField(f[0], f[1])
		}
		_ = m.Close()
		return a.Do(http.MethodPost, nil, body.String(), "Content-Type", m.FormDataContentType())
	}
	if got := send([2]string{"query", "SELECT {x:UInt8} + 1"}, [2]string{"param_x", "41"}); got.Body != "42\n" {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	if got := send([2]string{"query", "SELECT * FROM x"}, [2]string{"x", "1\n2\n"}, [2]string{"x_structure", "a UInt8"}); got.Status != http.StatusNotImplemented || !strings.Contains(got.Body, "external data is not supported") {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
}

// Tools in a browser may ask from another page.
func TestOtherOrigins(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := clickhousetest.AsAnalyst(t, s)
	got := a.Do(http.MethodOptions, nil, "", "Origin", "https://tool.example", "Access-Control-Request-Method", "POST", "Authorization", "")
	if got.Status != http.StatusNoContent || got.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", got.Status, got.Header)
	}
	got = a.Do(http.MethodPost, nil, "SELECT 1", "Origin", "https://tool.example")
	if got.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.Header.Get("Access-Control-Expose-Headers"), "X-ClickHouse-Exception-Tag") {
		t.Errorf("answer: %v", got.Header)
	}
	if got := a.Do(http.MethodPost, nil, "SELECT 1"); got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without an origin: %v", got.Header)
	}
}
