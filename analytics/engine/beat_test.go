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

// The heart of a child beats beside its work, although that takes all cores: it is not
// taken for one that hangs.
func TestBusyChildBeats(t *testing.T) {
	t.Parallel()
	cfg := clickhousetest.Config(t, t.TempDir())
	cfg.Heartbeat = 10 * time.Millisecond
	cfg.Misses = 6000 // how late a beat may be is the machine's business
	s := clickhousetest.StartOn(t, cfg)
	w, old := clickhousetest.AsWriter(t, s), s.PID()
	w.Must("CREATE TABLE busy (a UInt64) ENGINE = MergeTree ORDER BY sipHash64(a)")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/?max_threads=4", strings.NewReader(
			"INSERT INTO busy SELECT cityHash64(number) FROM numbers_mt(1000000000000) WHERE sipHash64(number) % 1000 = 0"))
		if err != nil {
			t.Error(err)
			return
		}
		r.SetBasicAuth(w.User, w.Password)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	})
	running := func() bool {
		return w.Must("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO busy%'") == "1\n"
	}
	polltest.Until(t, "the insert", running)
	before := s.Beats()
	polltest.Until(t, "beats beside the insert", func() bool { return s.Beats() >= before+20 })
	if !running() {
		t.Fatal("the insert is over: it proves nothing")
	}
	if s.PID() != old {
		t.Error("the busy child was ended")
	}
	cancel()
	wg.Wait()
}
