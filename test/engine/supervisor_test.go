package engine_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
	"chatbell/internal/polltest"
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
		polltest.Until(t, "another child", func() bool { return s.PID() != 0 && s.PID() != old })
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.URL() != address {
			t.Errorf("the address changed from %s to %s", address, s.URL())
		}
		if got := clickhousetest.AsAnalyst(t, s).Must("SELECT count() FROM t"); got != "1000\n" {
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
		w := clickhousetest.WriterAt(t, dsn)
		w.Must("CREATE TABLE IF NOT EXISTS k (a UInt32) ENGINE = MergeTree ORDER BY a")
		w.Must(fmt.Sprintf("INSERT INTO k VALUES (%d)", round))
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
		if got, want := clickhousetest.AsAnalyst(t, s).Must("SELECT count() FROM k"), fmt.Sprintf("%d\n", round+1); got != want {
			t.Errorf("round %d: %q rows, want %q", round, got, want)
		}
		polltest.Until(t, "the old child to be gone", func() bool { return !alive(pid) }) // the race detector sleeps a second at exit
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

// Two at once on one folder: the second waits until the first is gone, and says so.
func TestFolderInUse(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	first := clickhousetest.StartOn(t, cfg)
	second, err := engine.Start(t.Context(), config2(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	polltest.Until(t, "the second to say what it waits for", func() bool {
		err := second.Err()
		return err != nil && strings.Contains(err.Error(), "another process")
	})
	if got := clickhousetest.AsAnalyst(t, first).Must("SELECT 1"); got != "1\n" {
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
	w := clickhousetest.AsWriter(t, s)
	answered := make(chan bool, 1)
	go func() { answered <- askAndLeave(t.Context(), s, endless) }()
	polltest.Until(t, "the query", func() bool { return running(w) == 1 })
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

// A service is stopped with a signal to all its processes. The child is not ended by it:
// the parent has rows to insert until it closes the pipe.
func TestSignalsDoNotEndTheChild(t *testing.T) {
	t.Parallel()
	s := start(t)
	pid, w := s.PID(), clickhousetest.AsWriter(t, s)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(-pid, sig); err != nil { // to its group
			t.Fatal(err)
		}
	}
	w.Must("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	w.Must("INSERT INTO t VALUES (1)")
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
