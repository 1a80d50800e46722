package sqlite

import (
	"slices"
	"strings"
	"sync"

	"chatbell"
)

// Most events are about a few people who write to each other: reading who they are is
// most of what matching asks of the database. So the audiences of small channels are kept
// in memory, and every write says what it touches: all of that is forgotten when the write
// is committed, before its caller is told. A change has its effect on every audience
// that is asked for after the change's call has returned.

// keptPeople is how large a channel may be to be kept: a large one is read page by page
// anyhow, and costs as much memory as a thousand small ones.
const keptPeople = 64

// keptBytes bounds what is kept, as estimated: some 50,000 pairs with their phones.
const keptBytes = 64 << 20

type userKey struct {
	network chatbell.NetworkID
	user    chatbell.UserID
}

// touched is what a write changes of what audiences are made of.
type touched struct {
	channels []channelKey // who is in it, or what they have set for it
	users    []userKey    // who they are, their settings or devices
	networks []chatbell.NetworkID
}

// audiences are those that are kept. Safe for concurrent use.
type audiences struct {
	limit int // of bytes

	mu     sync.Mutex
	kept   map[channelKey]*keptAudience
	of     map[userKey]map[channelKey]struct{} // where a person is in what is kept
	epochs map[chatbell.NetworkID]uint64       // counts what touches whole networks
	bytes  int
	reads  map[*audienceRead]struct{}
}

type keptAudience struct {
	people []chatbell.Recipient
	bytes  int
	epoch  uint64
}

// audienceRead is an audience that is being read from the database, and what was touched
// meanwhile: the read may have been before or after that.
type audienceRead struct {
	key   channelKey
	epoch uint64
	stale bool
	users []userKey
}

func newAudiences(limit int) *audiences {
	return &audiences{
		limit:  limit,
		kept:   map[channelKey]*keptAudience{},
		of:     map[userKey]map[channelKey]struct{}{},
		epochs: map[chatbell.NetworkID]uint64{},
		reads:  map[*audienceRead]struct{}{},
	}
}

// page is a page of an audience that is kept. The slice is the caller's, what it points
// to is shared.
func (a *audiences) page(query *chatbell.AudienceQuery) ([]chatbell.Recipient, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	audience := a.kept[channelKey{query.Network, query.Channel}]
	if audience == nil || audience.epoch != a.epochs[query.Network] {
		return nil, false
	}
	from, found := slices.BinarySearchFunc(audience.people, query.After, func(r chatbell.Recipient, id chatbell.UserID) int {
		return strings.Compare(string(r.User.ID), string(id))
	})
	if found {
		from++
	}
	end := min(len(audience.people), from+max(query.Limit, 0))
	return slices.Clone(audience.people[from:end]), true
}

// begin says that an audience is about to be read.
func (a *audiences) begin(key channelKey) *audienceRead {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &audienceRead{key: key, epoch: a.epochs[key.network]}
	a.reads[r] = struct{}{}
	return r
}

// end keeps what was read, unless it was touched meanwhile. People are nil, and whole is
// false, where it is not to be kept.
func (a *audiences) end(r *audienceRead, people []chatbell.Recipient, bytes int, whole bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.reads, r)
	if !whole || len(people) > keptPeople || r.stale || r.epoch != a.epochs[r.key.network] {
		return
	}
	for i := range people {
		if slices.Contains(r.users, userKey{r.key.network, people[i].User.ID}) {
			return
		}
	}
	a.drop(r.key)
	a.kept[r.key] = &keptAudience{people: slices.Clone(people), bytes: bytes, epoch: r.epoch}
	a.bytes += bytes
	for i := range people {
		user := userKey{r.key.network, people[i].User.ID}
		if a.of[user] == nil {
			a.of[user] = map[channelKey]struct{}{}
		}
		a.of[user][r.key] = struct{}{}
	}
	for key := range a.kept { // whichever comes first: what is needed is read again
		if a.bytes <= a.limit {
			break
		}
		a.drop(key)
	}
}

// forget drops all that was touched by a write. It is called when the write is
// committed, or may be, and before its caller is told.
func (a *audiences) forget(t *touched) {
	if len(t.channels)+len(t.users)+len(t.networks) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, network := range t.networks {
		a.epochs[network]++
	}
	for _, key := range t.channels {
		a.drop(key)
	}
	for _, user := range t.users {
		for key := range a.of[user] {
			a.drop(key)
		}
	}
	for r := range a.reads {
		r.stale = r.stale || slices.Contains(t.channels, r.key)
		r.users = append(r.users, t.users...)
	}
}

// drop forgets one audience. The lock is held.
func (a *audiences) drop(key channelKey) {
	audience := a.kept[key]
	if audience == nil {
		return
	}
	delete(a.kept, key)
	a.bytes -= audience.bytes
	for i := range audience.people {
		user := userKey{key.network, audience.people[i].User.ID}
		delete(a.of[user], key)
		if len(a.of[user]) == 0 {
			delete(a.of, user)
		}
	}
}
