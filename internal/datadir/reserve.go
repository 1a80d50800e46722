package datadir

import (
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"
)

const (
	// maxReserve is what is kept free on the disk of the data folder, in bytes: the results
	// of a million events that wait take some 300 MB in the stream, as much again in
	// ClickHouse, and its merges need room for copies meanwhile.
	maxReserve = 1 << 30
	// reserveShare is the part of a smaller disk that is kept free instead.
	reserveShare = 8
	// lastShare is the part of the reserve below which what is in hand is held, too.
	lastShare = 4
	// reserveAge is how old an answer may be: a disk takes 1 GB a second at most.
	reserveAge = 250 * time.Millisecond
)

// Free tells of a folder's file system how many bytes are free for this process, and how
// many it has.
type Free func(dir string) (free, size uint64, err error)

// Reserve is a guard of the disk: it tells when so little is free that nothing new may be
// taken in, so that what was taken can be brought to its end. Safe for concurrent use.
type Reserve struct {
	dir  string
	free Free
	log  *slog.Logger

	mu    sync.Mutex
	at    time.Time
	state shortage
	left  uint64
	kept  uint64
}

// shortage is how little is free.
type shortage int

const (
	enough shortage = iota
	low             // nothing new
	last            // nothing at all
)

// NewReserve makes the guard of a folder; free may be nil.
func NewReserve(dir string, free Free, log *slog.Logger) *Reserve {
	if free == nil {
		free = statfs
	}
	return &Reserve{dir: dir, free: free, log: log}
}

func statfs(dir string) (free, size uint64, err error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, 0, fmt.Errorf("free room of %s: %w", dir, err)
	}
	unit := uint64(stat.Bsize)
	return stat.Bavail * unit, stat.Blocks * unit, nil
}

// Low is nil while there is room for new work.
func (r *Reserve) Low() error {
	if state, left, kept := r.look(); state != enough {
		return fmt.Errorf("the disk of %s has %d MiB free, and the last %d MiB are kept for work in hand", r.dir, left>>20, kept>>20)
	}
	return nil
}

// Room is what is free, and what is kept for work in hand, in bytes; up to 250 ms old.
func (r *Reserve) Room() (free, kept uint64) {
	_, free, kept = r.look()
	return free, kept
}

// Last reports that even the reserve is nearly used up: what comes of work in hand could
// not be written down.
func (r *Reserve) Last() bool {
	state, _, _ := r.look()
	return state == last
}

// look asks the file system, now and then. One that cannot be asked is no reason to refuse
// anybody: writing tells.
func (r *Reserve) look() (state shortage, left, kept uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) < reserveAge {
		return r.state, r.left, r.kept
	}
	r.at = time.Now()
	free, size, err := r.free(r.dir)
	if err != nil {
		return r.state, r.left, r.kept
	}
	r.left = free
	r.kept = min(maxReserve, size/reserveShare)
	r.change(shortageOf(free, r.kept, r.state))
	return r.state, r.left, r.kept
}

// shortageOf judges what is free. What was short has to have some more before it counts as
// enough, so that it does not go back and forth.
func shortageOf(free, kept uint64, before shortage) shortage {
	more := uint64(0)
	if before != enough {
		more = kept / lastShare / 2
	}
	switch {
	case free >= kept+more:
		return enough
	case free >= kept/lastShare+more:
		return low
	}
	return last
}

// change tells the log. The lock is held.
func (r *Reserve) change(state shortage) {
	before := r.state
	r.state = state
	if state == before {
		return
	}
	what := r.log.With("data", r.dir, "free", r.left, "reserve", r.kept)
	switch state {
	case low:
		if before == enough {
			what.Error("the disk of the data folder is nearly full: events are refused until there is room; make room, or give it a larger disk")
		}
	case last:
		what.Error("the disk of the data folder is full: sending pauses, because nothing could be recorded; make room, or give it a larger disk")
	case enough:
		what.Info("the disk of the data folder has room again")
	}
}
