package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
	"chatbell/internal/polltest"
)

// A child that is killed while it starts leaves nothing that cannot start: ten are, at
// random moments, and the folder has what it had.
func TestKilledWhileStarting(t *testing.T) {
	t.Parallel()
	cfg, log := listenTo(config(t))
	s := clickhousetest.StartOn(t, cfg)
	clickhousetest.Fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	engineCommand := cfg.Command
	for kill := range 10 {
		// It answers some 150 ms after it was born. A shell that becomes the engine leaves
		// behind who kills it.
		delay := fmt.Sprintf("%.3f", rand.Float64()*0.2)
		cfg.Command = append([]string{"/bin/sh", "-c", `{ sleep "$0"; kill -KILL $$; } >/dev/null 2>&1 </dev/null 3>&- & exec "$@"`, delay}, engineCommand...)
		s, err := engine.Start(t.Context(), cfg)
		if err != nil {
			t.Fatalf("a child that is killed after %s s fails the start: %v", delay, err)
		}
		polltest.Until(t, "the child's end is told", func() bool { return strings.Count(log.String(), "signal: killed") > kill })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Command = engineCommand
	s = clickhousetest.StartOn(t, cfg)
	if got := clickhousetest.AsAnalyst(t, s).Must("SELECT count(), sum(a) FROM t"); got != "1000\t499500\n" {
		t.Errorf("after all kills the table has %q", got)
	}
}

// A supervisor whose child is killed over and over, also while it starts, is up again as
// soon as that ends, without being started anew.
func TestRecoversFromCrashes(t *testing.T) {
	t.Parallel()
	cfg, log := listenTo(config(t))
	s := clickhousetest.StartOn(t, cfg)
	clickhousetest.Fill(t, s)
	last := 0
	for kills := 0; kills < 5; {
		polltest.Until(t, "another child", func() bool { return s.PID() != 0 && s.PID() != last })
		last = s.PID()
		if syscall.Kill(last, syscall.SIGKILL) == nil {
			kills++
		}
	}
	polltest.Until(t, "the last of them to be gone, and another one that answers", func() bool { return s.PID() != last && s.Err() == nil })
	if got := clickhousetest.AsAnalyst(t, s).Must("SELECT count() FROM t"); got != "1000\n" {
		t.Errorf("rows: %q", got)
	}
	// The pauses double, so that a child that cannot live does not eat the machine.
	for _, pause := range []string{"pause=100ms", "pause=200ms", "pause=400ms"} {
		if !strings.Contains(log.String(), pause) {
			t.Errorf("the log has no %s: %s", pause, log)
		}
	}
}

// The last words of a child that falls are in the log, with the cause of the restart.
func TestLastWordsOfACrash(t *testing.T) {
	t.Parallel()
	cfg, log := listenTo(config(t))
	s := clickhousetest.StartOn(t, cfg)
	old := s.PID()
	if err := syscall.Kill(old, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	another(t, s, old)
	var lines []string
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "level=ERROR") {
			lines = append(lines, line)
		}
	}
	cause := strings.Join(lines, "")
	for _, words := range []string{"the ClickHouse engine ended", "SIGSEGV"} {
		if !strings.Contains(cause, words) {
			t.Errorf("%q is not in the cause: %s", words, cause)
		}
	}
	if len(cause) > 4<<10 { // the stacks are no cause
		t.Errorf("the cause is %d bytes long: %s", len(cause), cause)
	}
}
