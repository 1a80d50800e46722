package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbell/analytics/engine"
)

// A child that falls is started again, on the same address, with its data.
func TestChildIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := filled(t)
	for range 3 {
		old, address := s.PID(), s.URL()
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "another child", func() bool { return s.PID() != 0 && s.PID() != old })
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.URL() != address {
			t.Errorf("the address changed from %s to %s", address, s.URL())
		}
		if got := asAnalyst(t, s).must("SELECT count() FROM t"); got != "1000\n" {
			t.Errorf("rows: %s", got)
		}
	}
}

func TestReadyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := start(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready after Close")
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// The parent's life: it starts the engine, says where, and waits to be killed.
func parent(arg string) error {
	var cfg engine.Config
	if err := json.Unmarshal([]byte(arg), &cfg); err != nil {
		return err
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	s, err := engine.Start(context.Background(), cfg)
	if err != nil {
		return err
	}
	if err := s.Ready(context.Background()); err != nil {
		return err
	}
	fmt.Println(s.PID(), s.DSN())
	select {}
}

// kill -9 of the parent leaves no child, and the next start waits for the lock.
func TestKilledParentLeavesNoChild(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Logger = nil
	arg, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		cmd := exec.CommandContext(t.Context(), cfg.Command[0], "parent", string(arg))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		pidText, dsn, _ := strings.Cut(strings.TrimSpace(line), " ")
		var pid int
		fmt.Sscan(pidText, &pid)
		w := writerOf(t, dsn)
		w.must("CREATE TABLE IF NOT EXISTS k (a UInt32) ENGINE = MergeTree ORDER BY a")
		w.must(fmt.Sprintf("INSERT INTO k VALUES (%d)", round))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		// The next parent does not wait for the child to be gone: the lock does.
		s, err := engine.Start(t.Context(), config2(t, cfg))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := s.Ready(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if got, want := asAnalyst(t, s).must("SELECT count() FROM k"), fmt.Sprintf("%d\n", round+1); got != want {
			t.Errorf("round %d: %q rows, want %q", round, got, want)
		}
		waitFor(t, "the old child to be gone", func() bool { return !alive(pid) }) // the race detector sleeps a second at exit
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// alive tells a running process from one that waits to be buried.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(b), ") Z ") // no /proc on macOS, where init buries at once
}

// config2 is a configuration on the same folder.
func config2(t *testing.T, c engine.Config) engine.Config {
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	return c
}

func writerOf(t *testing.T, dsn string) client {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	pw, _ := u.User.Password()
	return client{t, "http://" + u.Host, u.User.Username(), pw}
}

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
		cfg := config(t)
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

// Two at once on one folder: the second waits until the first is gone, and says so.
func TestFolderInUse(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	first := startOn(t, cfg)
	second, err := engine.Start(t.Context(), config2(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	waitFor(t, "the second to say what it waits for", func() bool {
		err := second.Err()
		return err != nil && strings.Contains(err.Error(), "another process")
	})
	if got := asAnalyst(t, first).must("SELECT 1"); got != "1\n" {
		t.Errorf("the first: %q", got)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Close does not wait until an analyst's query ends: it is cut off, and gets no answer.
func TestCloseDoesNotWaitForAnalysts(t *testing.T) {
	t.Parallel()
	s := filled(t)
	w := asWriter(t, s)
	answered := make(chan bool, 1)
	go func() { answered <- askAndLeave(t.Context(), s, endless) }()
	waitFor(t, "the query", func() bool { return running(w) == 1 })
	begun := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 4*time.Second { // inserts have five
		t.Errorf("Close took %v", took)
	}
	if <-answered {
		t.Error("the query was answered: Close waited for it")
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

// A service is stopped with a signal to all its processes. The child is not ended by it:
// the parent has rows to insert until it closes the pipe.
func TestSignalsDoNotEndTheChild(t *testing.T) {
	t.Parallel()
	s := start(t)
	pid, w := s.PID(), asWriter(t, s)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(-pid, sig); err != nil { // to its group
			t.Fatal(err)
		}
	}
	w.must("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	w.must("INSERT INTO t VALUES (1)")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Restarts() != 0 {
		t.Error("a signal ended the child")
	}
	if alive(pid) {
		t.Error("Close left the child behind")
	}
}
