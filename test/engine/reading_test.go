package engine_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/polltest"
)

// Four who do not read their answers keep nobody from asking.
func TestAnswersThatNobodyReads(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, w := clickhousetest.AsAnalyst(t, s), clickhousetest.AsWriter(t, s)
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
	if got := a.Ask("SELECT 1"); got.Body != "1\n" {
		t.Errorf("a fifth asker got %d %q", got.Status, got.Body)
	}
	polltest.Until(t, "the unread queries to end", func() bool {
		return w.Must("SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT repeat')") == "0\n"
	})
}

// Who reads a little at a time holds a place for two minutes at most; here it is two
// seconds.
func TestAnswersThatAreReadSlowly(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.AnswerTime = 2 * time.Second
	s := clickhousetest.StartOn(t, cfg)
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
	polltest.Until(t, "the query to end", func() bool {
		return clickhousetest.AsWriter(t, s).Must("SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT repeat')") == "0\n"
	})
}
