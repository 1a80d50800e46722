package clickhousetest

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"chatbell/analytics/engine"
)

// StartOn starts an engine with a configuration of the test's own, and waits until it
// answers; it ends with the test.
func StartOn(t testing.TB, cfg engine.Config) *engine.Supervisor {
	t.Helper()
	s, err := engine.Start(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Fill makes a table t with rows 0…999 in the engine's own database.
func Fill(t testing.TB, s *engine.Supervisor) {
	t.Helper()
	w := AsWriter(t, s)
	w.Must("CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
	w.Must("INSERT INTO t SELECT number, concat('row ', toString(number)) FROM numbers(1000)")
}

// Client asks an engine over HTTP as one of its users, as curl would.
type Client struct {
	T testing.TB
	// Base is the engine's address, without a path.
	Base           string
	User, Password string
}

// AsAnalyst is a client that may only read.
func AsAnalyst(t testing.TB, s *engine.Supervisor) Client {
	return Client{t, s.URL(), Analyst, Password}
}

// AsWriter is a client with the rights of the recorder.
func AsWriter(t testing.TB, s *engine.Supervisor) Client {
	t.Helper()
	return WriterAt(t, s.DSN())
}

// WriterAt is the writer of an engine that another process has started.
func WriterAt(t testing.TB, dsn string) Client {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return Client{t, "http://" + u.Host, u.User.Username(), password}
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   string
	Header http.Header
}

// Do makes a request; the test fails if there is no answer. Headers are given as names and
// values in turn.
func (c Client) Do(method string, q url.Values, body string, header ...string) Answer {
	c.T.Helper()
	r, err := http.NewRequestWithContext(c.T.Context(), method, c.Base+"/?"+q.Encode(), strings.NewReader(body))
	if err != nil {
		c.T.Fatal(err)
	}
	r.SetBasicAuth(c.User, c.Password)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.T.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.T.Fatal(err)
	}
	return Answer{resp.StatusCode, string(b), resp.Header}
}

// Ask posts a query, with parameters of the address as names and values in turn.
func (c Client) Ask(query string, kv ...string) Answer {
	c.T.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		q.Set(kv[i], kv[i+1])
	}
	return c.Do(http.MethodPost, q, query)
}

// Must runs a query that has to work.
func (c Client) Must(query string, kv ...string) string {
	c.T.Helper()
	a := c.Ask(query, kv...)
	if a.Status != http.StatusOK {
		c.T.Fatalf("%s: status %d: %s", query, a.Status, a.Body)
	}
	return a.Body
}

// Try runs a query, and answers with nothing while there is no engine.
func (c Client) Try(query string) string {
	c.T.Helper()
	r, err := http.NewRequestWithContext(c.T.Context(), http.MethodPost, c.Base+"/", strings.NewReader(query))
	if err != nil {
		c.T.Fatal(err)
	}
	r.SetBasicAuth(c.User, c.Password)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}
