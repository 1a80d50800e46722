package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbell/analytics/engine"
)

// TestMain lets the test's binary be the engine's child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		if err := engine.Serve(context.Background(), engine.Inherited()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const password = "tell nobody"

// config is a complete configuration on a folder of its own.
func config(t *testing.T) engine.Config {
	t.Helper()
	lib, err := engine.FindLibrary(filepath.Join("..", "..", ".cache", "engine", engine.LibraryName), "")
	if err != nil {
		t.Fatalf("these tests need the real engine: run `make setup` first: %v", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(password))
	return engine.Config{
		Library: lib, Dir: t.TempDir(), Listen: "127.0.0.1:0", Command: []string{exe, "engine"},
		AnalystUser: "analyst", AnalystPasswordSHA256: hex.EncodeToString(sum[:]), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func start(t *testing.T) *engine.Supervisor {
	t.Helper()
	s, err := engine.Start(t.Context(), config(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client asks as one of the two users.
type client struct {
	t        *testing.T
	base     string
	user, pw string
}

func asAnalyst(t *testing.T, s *engine.Supervisor) client {
	return client{t, s.URL(), "analyst", password}
}

func asWriter(t *testing.T, s *engine.Supervisor) client {
	u, err := url.Parse(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	pw, _ := u.User.Password()
	return client{t, s.URL(), u.User.Username(), pw}
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

func (c client) do(method string, q url.Values, body string, header ...string) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+"/?"+q.Encode(), strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth(c.user, c.pw)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(b), resp.Header}
}

// ask posts a query.
func (c client) ask(query string, kv ...string) answer {
	c.t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		q.Set(kv[i], kv[i+1])
	}
	return c.do(http.MethodPost, q, query)
}

// must runs a query that has to work.
func (c client) must(query string, kv ...string) string {
	c.t.Helper()
	a := c.ask(query, kv...)
	if a.status != http.StatusOK {
		c.t.Fatalf("%s: status %d: %s", query, a.status, a.body)
	}
	return a.body
}

func TestFirstLight(t *testing.T) {
	t0 := time.Now()
	s := start(t)
	t.Log("start", time.Since(t0), s.Version())
	w, a := asWriter(t, s), asAnalyst(t, s)
	w.must("CREATE TABLE t (a UInt32, b String) ENGINE=MergeTree ORDER BY a")
	var rows bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&rows, "%d\trow %d\n", i, i)
	}
	r := w.do(http.MethodPost, url.Values{"query": {"INSERT INTO t FORMAT TabSeparated"}}, rows.String())
	t.Log(r.status, r.body, r.header)
	t.Log(a.must("SELECT count(), sum(a) FROM t"))
	t.Log(a.ask("SELECT * FROM t LIMIT 2 FORMAT JSON"))
	t.Log(a.ask("SELECT {x:UInt32} + 1", "param_x", "41"))
	t.Log(a.ask("SELECT file('/etc/passwd')"))
	t.Log(a.ask("SELECT nope"))
}
