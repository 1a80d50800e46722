package datadir

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Below the reserve nothing new is taken, below the last of it nothing is done; both end
// by themselves, and each is told once.
func TestReserve(t *testing.T) {
	const mib = 1 << 20
	var free, size uint64
	var fails error
	var log bytes.Buffer
	r := NewReserve("/data", func(string) (uint64, uint64, error) { return free, size, fails }, slog.New(slog.NewTextHandler(&log, nil)))
	for _, x := range []struct {
		free, size uint64
		low, last  bool
	}{
		{3000 * mib, 100_000 * mib, false, false},
		{1024 * mib, 100_000 * mib, false, false},
		{1023 * mib, 100_000 * mib, true, false},
		{1100 * mib, 100_000 * mib, true, false}, // not at once
		{255 * mib, 100_000 * mib, true, true},
		{300 * mib, 100_000 * mib, true, true},
		{400 * mib, 100_000 * mib, true, false},
		{1200 * mib, 100_000 * mib, false, false},
		{9 * mib, 64 * mib, false, false}, // a small disk
		{7 * mib, 64 * mib, true, false},
		{1 * mib, 64 * mib, true, true},
		{64 * mib, 64 * mib, false, false},
	} {
		free = x.free
		size = x.size
		r.at = time.Time{}
		err := r.Low()
		if (err != nil) != x.low || r.Last() != x.last {
			t.Errorf("%d of %d MiB free: %v, last %t", free/mib, size/mib, err, r.Last())
		}
	}
	if got := strings.Count(log.String(), "nearly full"); got != 2 {
		t.Errorf("it is told %d times that the disk is nearly full:\n%s", got, &log)
	}
	fails = errors.New("it cannot be asked")
	free = 0
	r.at = time.Time{}
	if r.Last() || r.Low() != nil {
		t.Error("a disk that cannot be asked is full")
	}
}

// The file system of a folder can be asked.
func TestFree(t *testing.T) {
	free, size, err := statfs(t.TempDir())
	if err != nil || size == 0 || free > size {
		t.Errorf("%d of %d are free, %v", free, size, err)
	}
	if _, _, err := statfs("/nowhere/at/all"); err == nil {
		t.Error("a folder that is not there can be asked")
	}
}
