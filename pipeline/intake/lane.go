package intake

import "time"

// lane is what waits for one consumer, in the order of its acceptance.
type lane struct{ runs []run }

// run is some requests of one network that follow each other.
type run struct {
	last     uint64 // sequence
	requests uint64
	of       *usage
}

// maxRun bounds a run: it counts as waiting until all of it was handed out.
const maxRun = 64

func (l *lane) add(seq uint64, of *usage) {
	if n := len(l.runs); n > 0 && l.runs[n-1].of == of && l.runs[n-1].requests < maxRun {
		l.runs[n-1].requests++
		l.runs[n-1].last = max(l.runs[n-1].last, seq)
		return
	}
	l.runs = append(l.runs, run{seq, 1, of})
}

// deliveredTo forgets what has been handed out.
func (l *lane) deliveredTo(seq uint64) {
	done := 0
	for done < len(l.runs) && l.runs[done].last <= seq {
		l.runs[done].of.waiting -= l.runs[done].requests
		done++
	}
	if l.runs = l.runs[done:]; len(l.runs) == 0 {
		l.runs = nil // the room of a burst is given back
	}
}

// epoch is what was stored in some seconds.
type epoch struct {
	began time.Time
	last  uint64 // sequence
	bytes map[*usage]int64
}

// The stream is purged every half a minute, of what is older than some minutes: finer
// epochs would tell nothing. Where it is not purged for hours, the last one goes on.
const (
	epochLength = 10 * time.Second
	maxEpochs   = 1000
)

// store notes bytes that a network has in the stream now. The lock is held.
func (s *shares) store(seq uint64, of *usage, bytes int64) {
	n := len(s.stored)
	if now := s.now(); n == 0 || n < maxEpochs && now.Sub(s.stored[n-1].began) > epochLength {
		s.stored = append(s.stored, epoch{began: now, bytes: map[*usage]int64{}})
		n++
	}
	s.stored[n-1].last = max(s.stored[n-1].last, seq)
	s.stored[n-1].bytes[of] += bytes
	of.storedBytes += bytes
}
