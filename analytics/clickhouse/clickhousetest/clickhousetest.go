// Package clickhousetest gives tests the real embedded ClickHouse engine. The engine
// lives in a process of its own: [Main] lets the test's binary be that process, and
// [Start] starts it on a folder that goes with the test.
package clickhousetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbell/analytics/engine"
)

// Main is the TestMain of a package whose tests call Start.
func Main(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		if err := engine.Serve(context.Background(), engine.Inherited()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "the package's engine:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Engine is a running engine, and the database in it that is the test's.
type Engine struct {
	*engine.Supervisor
	t        testing.TB
	database string
}

// Start starts an engine on a folder of its own; it ends with the test.
func Start(t testing.TB) *Engine {
	t.Helper()
	return StartIn(t, t.TempDir())
}

// StartIn starts an engine on a folder that may hold data already. Close it before
// another is started there.
func StartIn(t testing.TB, dir string) *Engine {
	t.Helper()
	return &Engine{StartOn(t, Config(t, dir)), t, "chatbell"}
}

// Analyst and Password are the read-only user of the engines here.
const (
	Analyst  = "analyst"
	Password = "tell nobody"
)

// Config is the configuration of an engine on a folder, run by the test's binary.
func Config(t testing.TB, dir string) engine.Config {
	t.Helper()
	lib, err := library()
	if err != nil {
		t.Fatalf("these tests need the real engine: run `make setup` first: %v", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(Password))
	return engine.Config{
		Library: lib, Dir: dir, Listen: "127.0.0.1:0", Command: []string{exe, "engine"}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		AnalystUser: Analyst, AnalystPasswordSHA256: hex.EncodeToString(sum[:]),
	}
}

// library finds the engine where make setup put it, seen from the module's root.
func library() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return engine.FindLibrary(filepath.Join(dir, ".cache", "engine", engine.LibraryName), "")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// Name is the name of the test's database.
func (e *Engine) Name() string { return e.database }

// In is the same engine with another database as the test's.
func (e *Engine) In(database string) *Engine { return &Engine{e.Supervisor, e.t, database} }

// DSN is the writer's address with the test's database, which [clickhouse.Open] makes.
func (e *Engine) DSN() string { return e.On(e.database) }

// On is the writer's address with another database's name.
func (e *Engine) On(database string) string {
	e.t.Helper()
	u, err := url.Parse(e.Supervisor.DSN())
	if err != nil {
		e.t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

// Query asks as curl would, not through the client under test, and gives the answer as
// tab-separated text without the last line's end. Where the statement says {db} the name
// of the test's database is put.
func (e *Engine) Query(sql string) string {
	e.t.Helper()
	answer, err := e.ask(e.t.Context(), sql)
	if err != nil {
		e.t.Fatalf("%s: %v: %s", sql, err, answer)
	}
	return answer
}

func (e *Engine) ask(ctx context.Context, sql string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.DSN(), strings.NewReader(strings.ReplaceAll(sql, "{db}", e.database)))
	if err != nil {
		return "", err
	}
	req.URL.Path = "/"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return strings.TrimSuffix(string(data), "\n"), err
}
