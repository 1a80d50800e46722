package sandbox

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"sync"
	"time"
)

// Stats are counters; they are exact whatever was forgotten.
type Stats struct {
	APNs    ServiceStats `json:"apns"`
	FCM     ServiceStats `json:"fcm"`
	OAuth   ServiceStats `json:"oauth"`
	Webhook ServiceStats `json:"webhook"`
	// IDs is there with Config.CountIDs.
	IDs *IDStats `json:"ids,omitempty"`
}

// ServiceStats counts one service.
type ServiceStats struct {
	Requests int64 `json:"requests"`
	Accepted int64 `json:"accepted"`
	// Refused counts by the reason that was answered.
	Refused map[string]int64 `json:"refused,omitempty"`
	// Connections are the open ones.
	Connections int64 `json:"connections"`
	// FirstAt and LastAt are the times of the first and the last acceptance.
	FirstAt time.Time `json:"first_at,omitzero"`
	LastAt  time.Time `json:"last_at,omitzero"`
}

// IDStats tells how often each notification was accepted.
type IDStats struct {
	// Unique are the different ones, Repeats the acceptances beyond the first of each.
	Unique  int64 `json:"unique"`
	Repeats int64 `json:"repeats"`
	// Repeated are some that came more than once: service, target and id.
	Repeated []string `json:"repeated,omitempty"`
	// Full says that there were too many to count.
	Full bool `json:"full,omitempty"`
}

// stats holds the counters.
type stats struct {
	apns, fcm, oauth, webhook service
	ids                       *ids // nil unless asked for
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	out := Stats{APNs: s.stats.apns.read(), FCM: s.stats.fcm.read(), OAuth: s.stats.oauth.read(), Webhook: s.stats.webhook.read()}
	if s.stats.ids != nil {
		out.IDs = s.stats.ids.read()
	}
	return out
}

// Reset forgets what arrived, counters too. Rules and dead tokens stay.
func (s *Server) Reset() {
	s.arrivals.reset()
	s.stats.reset(s.cfg.CountIDs)
}

func (s *stats) reset(countIDs bool) {
	for _, svc := range []*service{&s.apns, &s.fcm, &s.oauth, &s.webhook} {
		svc.reset()
	}
	switch {
	case !countIDs:
	case s.ids == nil: // at the start, before anybody else knows of it
		s.ids = newIDs()
	default:
		s.ids.reset()
	}
}

func (s *stats) seen(service, target, id string) {
	if s.ids != nil {
		s.ids.add(service, target, id)
	}
}

func (c *service) reset() {
	c.requests.Store(0)
	c.accepted.Store(0)
	c.first.Store(0)
	c.last.Store(0)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = nil
}

func (c *service) read() ServiceStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := ServiceStats{
		Requests: c.requests.Load(), Accepted: c.accepted.Load(), Connections: c.connections.Load(), Refused: maps.Clone(c.refused),
	}
	if first := c.first.Load(); first != 0 {
		sum.FirstAt = time.Unix(0, first)
		sum.LastAt = time.Unix(0, c.last.Load())
	}
	return sum
}

// ids counts identifiers by a 128-bit hash of them, in shards, so that pushes side
// by side rarely wait for each other.
type ids struct {
	seeds  [2]maphash.Seed
	shards [idShards]idShard
}

type idShard struct {
	mu       sync.Mutex
	count    map[[16]byte]uint32
	repeats  int64
	repeated []string
	full     bool
}

const (
	idShards = 64
	// maxIDs bounds all shards together: four times the largest channel of the benches.
	maxIDs = 4 << 20
	// maxRepeated bounds the examples of one shard.
	maxRepeated = 16
)

func newIDs() *ids {
	all := &ids{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	all.reset()
	return all
}

func (x *ids) reset() {
	for i := range x.shards {
		shard := &x.shards[i]
		shard.mu.Lock()
		shard.count = map[[16]byte]uint32{}
		shard.repeats = 0
		shard.repeated = nil
		shard.full = false
		shard.mu.Unlock()
	}
}

func (x *ids) add(service, target, id string) {
	name := service + " " + target + " " + id
	var key [16]byte
	hash := maphash.String(x.seeds[0], name)
	binary.LittleEndian.PutUint64(key[:8], hash)
	binary.LittleEndian.PutUint64(key[8:], maphash.String(x.seeds[1], name))
	shard := &x.shards[hash%idShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	n, known := shard.count[key]
	if !known && len(shard.count) >= maxIDs/idShards {
		shard.full = true
		return
	}
	shard.count[key] = n + 1
	if !known {
		return
	}
	shard.repeats++
	if n == 1 && len(shard.repeated) < maxRepeated {
		shard.repeated = append(shard.repeated, name)
	}
}

func (x *ids) read() *IDStats {
	out := new(IDStats)
	for i := range x.shards {
		shard := &x.shards[i]
		shard.mu.Lock()
		out.Unique += int64(len(shard.count))
		out.Repeats += shard.repeats
		out.Repeated = append(out.Repeated, shard.repeated...)
		out.Full = out.Full || shard.full
		shard.mu.Unlock()
	}
	return out
}
