package intake

import (
	"fmt"
	"math"
	"sync"
	"time"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// shareFactor is how much one network may have of the backlog, and of the stream's bytes,
// as a multiple of what is free (a dynamic threshold, as switches share their buffers):
// alone it may have four fifths, so that a load test of one network is not limited below
// what the machine takes; with one such network there, the next may have four fifths of
// what is left, and so on: however many burst, there is always room for who comes.
const shareFactor = 4

// overhead is about what the broker keeps of a request besides its payload, in bytes.
const overhead = 256

// shares is the admission control: it knows what each network has in the backlog and in
// the stream, and lets in what fits. It counts what this process accepted; what an earlier
// one left counts for all together. Safe for concurrent use.
type shares struct {
	limit  uint64 // requests that may wait
	quotas func(chatbell.NetworkID) Quota
	now    func() time.Time

	mu       sync.Mutex
	since    time.Time // when the broker last told its backlog
	taken    uint64    // requests that were let in after that
	added    int64     // and their bytes
	networks map[chatbell.NetworkID]*usage
	lanes    []lane // one for each consumer
	stored   []epoch
}

// usage is what one network has.
type usage struct {
	reserved      uint64 // requests that are on their way to the broker
	reservedBytes int64
	waiting       uint64 // requests that no stage was given
	storedBytes   int64
	events, bytes bucket
	told          time.Time // when the log was told of its limits
}

// demand is what one call asks of one network.
type demand struct {
	network  chatbell.NetworkID
	requests int64
	payload  int64 // bytes
	quota    Quota
}

func (d *demand) bytes() int64 { return d.payload + d.requests*overhead }

// demandsOf sums up a call's requests; nearly always they are of one network.
func demandsOf(requests []Request) []demand {
	var all []demand
	last := -1
	for i := range requests {
		r := &requests[i]
		if last < 0 || all[last].network != r.Network {
			last = find(all, r.Network)
			if last < 0 {
				all = append(all, demand{network: r.Network})
				last = len(all) - 1
			}
		}
		all[last].requests++
		all[last].payload += int64(len(r.Payload))
	}
	return all
}

func find(all []demand, network chatbell.NetworkID) int {
	for i := range all {
		if all[i].network == network {
			return i
		}
	}
	return -1
}

// overload is why a call was not let in: too much waits, or, where limited is set, a
// network has reached a limit of its own.
type overload struct {
	ahead   uint64
	free    int64 // bytes
	network chatbell.NetworkID
	limited *limited
	tell    bool // the log should be told
}

// enter lets a call's requests in, or says why not; then nothing has changed.
func (s *shares) enter(at jetstream.Backlog, demands []demand) *overload {
	for i := range demands {
		demands[i].quota = s.quotas(demands[i].network)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learn(&at)
	var requests uint64
	var bytes int64
	for i := range demands {
		requests += uint64(demands[i].requests)
		bytes += demands[i].bytes()
	}
	ahead := at.Pending + at.InFlight + s.taken
	free := room{bytes: math.MaxInt64}
	if ahead < s.limit {
		free.requests = s.limit - ahead
	}
	if at.MaxBytes > 0 {
		free.bytes = max(0, at.MaxBytes-at.Bytes-s.added)
	}
	if requests > free.requests || bytes > free.bytes {
		return &overload{ahead: ahead, free: free.bytes}
	}
	now := s.now()
	for i := range demands {
		d := &demands[i]
		u := s.usage(d.network)
		over := u.share(free, d)
		if over == nil {
			over = u.rate(now, d.quota, d)
		}
		if over != nil {
			return &overload{ahead: ahead, network: d.network, limited: over, tell: u.tell(now)}
		}
	}
	s.taken += requests
	s.added += bytes
	for i := range demands {
		s.networks[demands[i].network].reserve(&demands[i])
	}
	return nil
}

// fits tells whether one more request would not be too many for all together.
func (s *shares) fits(at jetstream.Backlog) (ahead uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learn(&at)
	ahead = at.Pending + at.InFlight + s.taken
	return ahead, ahead < s.limit
}

// learn takes in what the broker tells: what was handed out does not wait any more, and
// what was purged takes no room.
func (s *shares) learn(at *jetstream.Backlog) {
	if at.At.Equal(s.since) {
		return
	}
	s.since = at.At
	s.taken = 0
	s.added = 0
	for i, seq := range at.Delivered {
		if i < len(s.lanes) {
			s.lanes[i].deliveredTo(seq)
		}
	}
	for len(s.stored) > 0 && s.stored[0].last < at.FirstSeq {
		for u, bytes := range s.stored[0].bytes {
			u.storedBytes -= bytes
		}
		s.stored = s.stored[1:]
	}
}

func (s *shares) usage(network chatbell.NetworkID) *usage {
	u := s.networks[network]
	if u == nil {
		u = new(usage)
		s.networks[network] = u
	}
	return u
}

// room is what is free.
type room struct {
	requests uint64
	bytes    int64
}

// share tells which share a demand would exceed; nil if none.
func (u *usage) share(free room, d *demand) *limited {
	if own := u.waiting + u.reserved + uint64(d.requests); own/shareFactor > free.requests {
		return &limited{LimitBacklog, retryAfter, fmt.Sprintf("%d events of this network wait already, as many as one network may have waiting now", u.waiting+u.reserved)}
	}
	if own := u.storedBytes + u.reservedBytes + d.bytes(); own/shareFactor > free.bytes {
		return &limited{LimitStorage, retryAfter, fmt.Sprintf("events of this network take %d bytes of the broker, as many as one network may take now; "+
			"they are kept until they are handled and dedup_window is over", u.storedBytes+u.reservedBytes)}
	}
	return nil
}

func (u *usage) reserve(d *demand) {
	u.reserved += uint64(d.requests)
	u.reservedBytes += d.bytes()
	u.events.take(d.requests)
	u.bytes.take(d.payload)
}

// tellEvery is how often the log hears of one network that is over its limits.
const tellEvery = time.Minute

func (u *usage) tell(now time.Time) bool {
	if now.Sub(u.told) < tellEvery {
		return false
	}
	u.told = now
	return true
}

// leave ends a call that was let in: nothing of it is on its way any more, and what was
// accepted waits. Where nothing was, its quota is given back.
func (s *shares) leave(demands []demand, requests []Request, acks []jetstream.PubResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := false
	for i := range acks {
		if acks[i].Err != nil || acks[i].Duplicate {
			continue
		}
		stored = true
		r := &requests[i]
		u := s.usage(r.Network)
		u.waiting++
		s.lanes[work.Partition(r.Key)%len(s.lanes)].add(acks[i].Sequence, u)
		s.store(acks[i].Sequence, u, int64(len(r.Payload))+overhead)
	}
	for i := range demands {
		d := &demands[i]
		u := s.networks[d.network]
		u.reserved -= uint64(d.requests)
		u.reservedBytes -= d.bytes()
		if !stored && failed(acks) {
			u.events.giveBack(d.requests)
			u.bytes.giveBack(d.payload)
		}
	}
}

// failed reports whether the broker took nothing.
func failed(acks []jetstream.PubResult) bool {
	for i := range acks {
		if acks[i].Err == nil {
			return false
		}
	}
	return true
}
