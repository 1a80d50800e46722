package analytics_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chatbell"
	"chatbell/analytics"
	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/store/sqlite"
)

// killer kills the engine before, during or after some inserts.
type killer struct {
	*realTables
	t     *testing.T
	n     atomic.Int32
	kills atomic.Int32
}

func (k *killer) kill() {
	if pid := k.engine.PID(); pid != 0 { // it may be on its way back from the last time
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			k.t.Error(err)
		}
		k.kills.Add(1)
	}
}

func (k *killer) Insert(ctx context.Context, token string, rows *chatbell.Results) error {
	return k.write(ctx, token, rows, k.realTables.Insert)
}

func (k *killer) Repeat(ctx context.Context, token string, rows *chatbell.Results) error {
	return k.write(ctx, token, rows, k.realTables.Repeat)
}

func (k *killer) write(ctx context.Context, token string, rows *chatbell.Results, write func(context.Context, string, *chatbell.Results) error) error {
	switch k.n.Add(1) {
	case 2: // before
		k.kill()
	case 5: // during
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(k.kill)
	case 8: // after; the answer is lost with it
		err := write(ctx, token, rows)
		k.kill()
		if err == nil {
			err = errFault
		}
		return err
	}
	return write(ctx, token, rows)
}

// The engine is killed while the recorder works, and the recorder is stopped and
// another made: with the real cursor and the real tables, each row is there once.
func TestEngineIsKilled(t *testing.T) {
	t.Parallel()
	k := &killer{realTables: newReal(t, clickhousetest.Start(t)), t: t}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := newMemory(t)
	// start makes a recorder and runs it until stop is called.
	start := func() (r *analytics.Recorder, stop func()) {
		r, err := analytics.New(analytics.Config{Log: unguarded{m}, Cursors: db, Sink: k, Flush: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		return r, func() { cancel(); wg.Wait() }
	}
	r, stop := start()
	const blocks, size = 12, 50
	for i := range blocks {
		numbers := make([]int, size)
		for j := range numbers {
			numbers[j] = i*size + j
		}
		m.put(uint64(2*i+1), rows("acme", false, numbers...))
		again := numbers[:5]
		if i > 0 {
			again = append([]int{(i - 1) * size}, again...)
		}
		m.put(uint64(2*i+2), rows("acme", true, again...))
		if i%4 == 3 { // in the middle of whatever it does
			stop()
			r, stop = start()
		}
		if err := r.WaitRecorded(t.Context(), uint64(2*i+2)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if k.kills.Load() < 3 {
		t.Errorf("the engine was killed %d times, want 3", k.kills.Load())
	}
	if err := k.engine.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := make([]int, blocks*size)
	for i := range all {
		all[i] = i
	}
	check(t, k.realTables, "acme", rows("acme", false, all...))
	cursor, err := db.RecorderCursor(t.Context())
	if err != nil || cursor.Done != 2*blocks {
		t.Errorf("the cursor is %v, %v; want %d", cursor, err, 2*blocks)
	}
}

// unguarded is a log whose cursor is elsewhere.
type unguarded struct{ *memory }

func (u unguarded) Purge(ctx context.Context, before uint64) error {
	if before == 0 {
		return fmt.Errorf("purge before %d", before)
	}
	u.mu.Lock()
	u.cursor.Done = before - 1
	u.mu.Unlock()
	return u.memory.Purge(ctx, before)
}
