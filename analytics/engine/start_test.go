package engine_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
)

func TestStartSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := filepath.Join(t.TempDir(), engine.LibraryName)
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*engine.Config)
		want   string
	}{
		{"no library", func(c *engine.Config) { c.Library = "" }, "make setup"},
		{"library gone", func(c *engine.Config) { c.Library = "/nonexistent/libchdb.so" }, "make setup"},
		{"library broken", func(c *engine.Config) { c.Library = text }, "load the ClickHouse engine"},
		{"port taken", func(c *engine.Config) { c.Listen = taken.Addr().String() }, "clickhouse_listen"},
		{"no command", func(c *engine.Config) { c.Command = nil }, "no command"},
		{"no such command", func(c *engine.Config) { c.Command = []string{"/nonexistent"} }, "start the ClickHouse engine"},
		{"folder is a file", func(c *engine.Config) { c.Dir = text }, "data folder"},
	} {
		cfg := clickhousetest.Config(t, t.TempDir())
		c.change(&cfg)
		s, err := engine.Start(t.Context(), cfg)
		if err == nil {
			t.Errorf("%s: started", c.name)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestFindLibrary(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if _, err := engine.FindLibrary("", dir); !errors.Is(err, engine.ErrNoLibrary) {
		t.Errorf("nowhere: %v", err)
	}
	if _, err := engine.FindLibrary(filepath.Join(dir, "x.so"), dir); err == nil || !strings.Contains(err.Error(), "clickhouse_engine") {
		t.Errorf("configured and absent: %v", err)
	}
	put := func(parts ...string) string {
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			t.Fatal(err)
		}
		return target
	}
	places := [][]string{{".cache", "engine"}, {"data"}} // each wins over the one before
	for _, p := range places {
		want := put(append(p, engine.LibraryName)...)
		if got, err := engine.FindLibrary("", filepath.Join(dir, "data")); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	mine := put("mine.so")
	if got, err := engine.FindLibrary("mine.so", dir); err != nil || got != mine {
		t.Errorf("configured: got %s, %v, want %s", got, err, mine)
	}
}
