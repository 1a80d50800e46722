package clickhouse_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"chatbell/analytics/clickhouse"
	"chatbell/analytics/clickhouse/clickhousetest"
)

// A start that is cut off before any of the statements that change something is made good
// by the next.
func TestMigrationThatBrokeOff(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	target, err := url.Parse(e.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	open(t, e)
	want := described(e)
	cuts := 0
	for broken := true; broken; cuts++ {
		name := fmt.Sprint(e.Name(), "_cut_", cuts)
		var changed atomic.Int64
		ctx, cut := context.WithCancel(t.Context())
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			if !bytes.HasPrefix(body, []byte("SELECT")) && changed.Add(1) > int64(cuts) {
				cut()
				panic(http.ErrAbortHandler)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			proxy.ServeHTTP(w, r)
		}))
		s, err := clickhouse.Open(ctx, clickhouse.Config{DSN: strings.Replace(e.On(name), target.Host, strings.TrimPrefix(front.URL, "http://"), 1)})
		if err != nil {
			t.Fatalf("cut after %d statements: %v", cuts, err)
		}
		broken = ctx.Err() != nil
		cut()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		front.Close()

		open(t, e.In(name))
		if got := described(e.In(name)); got != want {
			t.Fatalf("after a start that was cut off after %d statements, and another, there is\n%s\nwant\n%s", cuts, got, want)
		}
		e.Query("DROP DATABASE " + name + " SYNC")
	}
	if cuts < 10 {
		t.Errorf("a start has %d statements; the test has gone blind", cuts)
	}
}

// described is what the test's database is made of, but its name: what its tables and
// columns are, what they are for, and which migrations it has. Beside the code is tested
// that a start which is not cut off makes what is promised.
func described(e *clickhousetest.Engine) string {
	return strings.ReplaceAll(e.Query("SELECT name, create_table_query, comment FROM system.tables WHERE database = '{db}' ORDER BY name FORMAT TSVRaw")+"\n"+
		e.Query("SELECT DISTINCT version_id FROM {db}.goose_db_version ORDER BY version_id"), e.Name(), "{db}")
}
