package engine_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
	"chatbell/internal/polltest"
)

// hostOf is where an engine listens.
func hostOf(t *testing.T, s *engine.Supervisor) string {
	t.Helper()
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// ownConnection makes a client that keeps a connection of its own, and says of each
// request whether that connection was there already.
func ownConnection(t *testing.T, c clickhousetest.Client) (ask func(query string) (body string, reused bool)) {
	t.Helper()
	web := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(web.CloseIdleConnections)
	return func(query string) (body string, reused bool) {
		t.Helper()
		trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, c.Base+"/", strings.NewReader(query))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(c.User, c.Password)
		resp, err := web.Do(r)
		if err != nil {
			t.Errorf("%s was not let in: %v", c.User, err)
			return "", false
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return string(b), reused
	}
}

// Strangers who hold more connections than the engine may have descriptors keep out
// neither an analyst nor the recorder, whose own connection stays.
func TestStrangersHoldConnections(t *testing.T) {
	t.Parallel()
	const files = 256
	cfg, log := listenTo(config(t))
	cfg.Command = append([]string{"/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, files), "sh"}, cfg.Command...)
	s := clickhousetest.StartOn(t, cfg)
	clickhousetest.Fill(t, s)
	recorder := ownConnection(t, clickhousetest.AsWriter(t, s))
	recorder("SELECT 1")
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for i := range files + 50 {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", hostOf(t, s))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		says := []string{"", "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", "GET /?query="}[i%4]
		if _, err := io.WriteString(c, says); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := ownConnection(t, clickhousetest.AsAnalyst(t, s))("SELECT count() FROM t"); got != "1000\n" {
		t.Errorf("an analyst got %q", got)
	}
	if _, reused := recorder("INSERT INTO t SELECT number, '' FROM numbers(5)"); !reused {
		t.Error("the recorder's connection was closed for strangers")
	}
	if got, _ := ownConnection(t, clickhousetest.AsWriter(t, s))("SELECT count() FROM t"); got != "1005\n" {
		t.Errorf("the recorder got %q", got)
	}
	polltest.Until(t, "the log tells that connections are closed for others", func() bool {
		return strings.Contains(log.String(), "the connections are at their bound")
	})
	polltest.Until(t, "they are counted", func() bool { return s.Strangers().Cut > 0 })
	if s.Restarts() != 0 {
		t.Error("the engine fell")
	}
}

// Wrong passwords are answered slowly after the first ones, and logged once; a right one
// is not slowed by them, and a request without any is none.
func TestWrongPasswords(t *testing.T) {
	t.Parallel()
	cfg, log := listenTo(config(t))
	s := clickhousetest.StartOn(t, cfg)
	guesser, nobody := clickhousetest.AsAnalyst(t, s), clickhousetest.AsAnalyst(t, s)
	guesser.Password = "open sesame"
	nobody.User, nobody.Password = "", ""
	for range 30 {
		nobody.Do(http.MethodGet, url.Values{"query": {"SELECT 1"}}, "", "Authorization", "")
	}
	if strings.Contains(log.String(), "a wrong") {
		t.Errorf("who sends no password is taken for a guesser: %s", log)
	}
	// The twentieth waits for ten turns of a quarter of a second, two seconds at most.
	begun := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := guesser.Ask("SELECT 1"); got.Status != http.StatusUnauthorized {
				t.Errorf("a wrong password: %d", got.Status)
			}
		})
	}
	wg.Wait()
	if took := time.Since(begun); took < 2*time.Second {
		t.Errorf("twenty wrong passwords were answered in %v", took)
	}
	clickhousetest.AsAnalyst(t, s).Must("SELECT 1")
	polltest.Until(t, "the log tells of it", func() bool { return strings.Contains(log.String(), "a wrong ClickHouse password") })
	if n := strings.Count(log.String(), "a wrong"); n != 1 {
		t.Errorf("the log tells of it %d times: %s", n, log)
	}
	polltest.Until(t, "each is counted", func() bool { return s.Strangers() == engine.Strangers{WrongPasswords: 20} })
	if !strings.Contains(log.String(), "address=127.0.0.1") || strings.Contains(log.String(), guesser.Password) {
		t.Errorf("the log names no address, or a password: %s", log)
	}
}

// A connection is kept for as long as its client was told.
func TestKeepAliveIsTrue(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.KeepAlive = time.Second
	s := clickhousetest.StartOn(t, cfg)
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", hostOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/", strings.NewReader("SELECT 1"))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("analyst", password)
		if err := r.Write(c); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Keep-Alive"); got != "timeout=1" {
			t.Errorf("the client is told %q", got)
		}
	}
	answered := time.Now()
	_ = c.SetReadDeadline(answered.Add(polltest.Patience))
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection ends with %v", err)
	}
	if after := time.Since(answered); after < time.Second {
		t.Errorf("the connection was closed after %v, the client was told a second", after)
	}
}
