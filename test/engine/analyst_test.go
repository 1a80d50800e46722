package engine_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/polltest"
)

// Analysts' slow queries hold up no insert, however many there are: twenty go through
// while as many queries as may run at once are all still running.
func TestSlowQueriesHoldUpNoInsert(t *testing.T) {
	t.Parallel()
	s := filled(t)
	w := clickhousetest.AsWriter(t, s)
	ctx, leave := contextWithCancel(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() { askAndLeave(ctx, s, endless) })
	}
	defer wg.Wait()
	defer leave()
	polltest.Until(t, "the slow queries", func() bool { return running(w) == 4 })
	for range 20 {
		w.Must("INSERT INTO t SELECT 1, 'while others wait'")
	}
	if got := running(w); got != 4 {
		t.Errorf("%d queries run after the inserts, want 4: the inserts waited for them", got)
	}
}

// A query ends when its asker leaves.
func TestLeavingEndsTheQuery(t *testing.T) {
	t.Parallel()
	s := filled(t)
	w := clickhousetest.AsWriter(t, s)
	ctx, leave := contextWithCancel(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		askAndLeave(ctx, s, endless)
	}()
	polltest.Until(t, "the query to run", func() bool { return running(w) == 1 })
	leave()
	<-done
	polltest.Until(t, "the query to end", func() bool { return running(w) == 0 })
}

// Nor does it begin when its asker leaves before: a statement has phases, and this one's
// asker leaves in each of them.
func TestLeavingAtAnyTime(t *testing.T) {
	t.Parallel()
	s := filled(t)
	w := clickhousetest.AsWriter(t, s)
	const long = 80 // the statement runs by then, even on a slow machine
	for after := range long {
		ctx, leave := context.WithTimeout(t.Context(), time.Duration(after)*time.Millisecond/2)
		askAndLeave(ctx, s, endless)
		leave()
	}
	polltest.Until(t, "all queries to end", func() bool { return running(w) == 0 })
	// Nothing waits for its turn either, so that nothing can begin now.
	if got := clickhousetest.AsAnalyst(t, s).Must("SELECT 1"); got != "1\n" {
		t.Errorf("got %q", got)
	}
	if got := running(w); got != 0 {
		t.Errorf("%d queries began after their askers had left", got)
	}
}

// Big answers stream; those that cannot are bounded.
func TestBigAnswers(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := clickhousetest.AsAnalyst(t, s)
	if got := a.Must("SELECT number FROM numbers(5000000)"); strings.Count(got, "\n") != 5_000_000 {
		t.Errorf("got %d rows", strings.Count(got, "\n"))
	}
	if got := a.Ask("SELECT number, randomString(100) FROM numbers(2000000) FORMAT JSON"); !strings.Contains(got.Body, "Code: 396") {
		t.Errorf("200 MB were put together in memory: %d %.200q", got.Status, got.Body)
	}
	if got := a.Ask("SELECT repeat('x', 1000000) FROM numbers(100000) FORMAT JSON"); !strings.Contains(got.Body, "Code: 241") {
		t.Errorf("100 GB were put together in memory: %d %.200q", got.Status, got.Body)
	}
	if got := a.Ask("SELECT groupArray(number) FROM numbers(1000000000)"); got.Status != http.StatusInsufficientStorage || !strings.Contains(got.Body, "MEMORY_LIMIT") {
		t.Errorf("memory: got %d %.200q", got.Status, got.Body)
	}
	if got := a.Ask("SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))", "max_execution_time", "1"); got.Status != http.StatusRequestTimeout {
		t.Errorf("time: got %d %.200q", got.Status, got.Body)
	}
}
