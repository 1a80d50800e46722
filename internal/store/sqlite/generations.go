package sqlite

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"chatbell"
)

// The members of a channel have a generation. A bulk list comes in as the next one, chunk
// by chunk, which nobody reads; then one row is changed and it is the channel's. A process
// that is killed in between leaves the old list, and a generation that is removed later.

// chunkSize is how many members of a list are taken in one transaction: some ten
// milliseconds, which is what other writes wait for it.
const chunkSize = 500

// inChannelNow restricts rows of members to a channel's generation, in a query whose
// parameters for network and channel are named.
func inChannelNow(network, channel string) string {
	return strings.NewReplacer("@n", network, "@c", channel).
		Replace(`network = @n AND channel = @c AND gen = COALESCE((SELECT gen FROM channels WHERE network = @n AND id = @c), 0)`)
}

// unlessListed is true where no list that is newer than an event has become a channel's.
func unlessListed(network, channel, seq string) string {
	return strings.NewReplacer("@n", network, "@c", channel, "@s", seq).
		Replace(`NOT EXISTS (SELECT 1 FROM channels c WHERE c.network = @n AND c.id = @c AND c.list_seq >= @s)`)
}

// generation is one generation of one channel.
type generation struct {
	channelKey

	gen int64
}

// lists are the bulk lists that come in.
type lists struct {
	// chunk is held for each chunk: of all lists one chunk at most is in a commit, so that
	// other writes wait for one, however many lists come in.
	chunk sync.Mutex

	mu     sync.Mutex
	busy   map[channelKey]chan struct{} // closed when the channel's list has ended
	coming map[generation]bool          // not to be removed
}

// enter waits until no other list of the channel comes in. It returns what ends this one.
func (l *lists) enter(ctx context.Context, key channelKey) (leave func(), err error) {
	for {
		l.mu.Lock()
		other := l.busy[key]
		if other == nil {
			done := make(chan struct{})
			l.busy[key] = done
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.busy, key)
				close(done)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// keep says whether a generation is not to be removed, because it comes in.
func (l *lists) keep(gen generation, keep bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if keep {
		l.coming[gen] = true
	} else {
		delete(l.coming, gen)
	}
}

func (l *lists) isComing(g generation) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.coming[g]
}

// incoming is a list that is taken in.
type incoming struct {
	s    *Store
	path string // of the list's file
	next generation
	old  int64 // the channel's generation so far
	at   int64 // stamps its rows, until it becomes the channel's
	list int64 // list_seq of the old generation
	last string
	n    int
}

// begin finds the number of the next generation and notes that it is nobody's yet. The
// number was never used, or its rows are gone.
func (in *incoming) begin(ctx context.Context) error {
	key := in.next.channelKey
	err := in.s.do(ctx, "begin a list", func(ctx context.Context, txn *tx) error {
		in.at = in.s.now()
		if err := in.s.ensureChannel(ctx, txn, key.network, key.channel, in.at); err != nil {
			return err
		}
		if err := txn.QueryRowContext(ctx, `SELECT gen, list_seq,
				1 + MAX(gen, COALESCE((SELECT MAX(gen) FROM old_members WHERE network = ?1 AND channel = ?2), 0))
			FROM channels WHERE network = ?1 AND id = ?2`, key.network, key.channel).Scan(&in.old, &in.list, &in.next.gen); err != nil {
			return err
		}
		in.s.lists.keep(in.next, true)
		_, err := txn.ExecContext(ctx, `INSERT INTO old_members VALUES (?, ?, ?)`, key.network, key.channel, in.next.gen)
		return err
	})
	return err
}

// take takes the next chunk in. It reports whether there was any.
func (in *incoming) take(ctx context.Context, limit int) (more bool, err error) {
	in.s.lists.chunk.Lock() // a chunk is attached under one name
	defer in.s.lists.chunk.Unlock()
	key := in.next.channelKey
	last := in.last
	n := 0
	err = in.s.writer.doThen(ctx, func(ctx context.Context, txn *tx) error {
		txn.touchNetwork(key.network) // any of its people may be named
		if _, err := txn.ExecContext(ctx, `ATTACH ? AS bulk`, in.path); err != nil {
			return err
		}
		if _, err := txn.ExecContext(ctx, `INSERT INTO members (network, channel, gen, user, roles, joined_seq, seq)
			SELECT ?1, ?2, ?3, l.user, l.roles, COALESCE((SELECT iif(m.joined_seq < 0, ?5, m.joined_seq) FROM members m
				WHERE m.network = ?1 AND m.channel = ?2 AND m.gen = ?4 AND m.user = l.user AND m.deleted = 0), -1), ?6
			FROM bulk.list l WHERE l.user > ?7 ORDER BY l.user LIMIT ?8 + 0`,
			key.network, key.channel, in.next.gen, in.old, in.list, in.at, in.last, limit); err != nil {
			return err
		}
		if _, err := txn.ExecContext(ctx, `INSERT INTO users (network, id, name, locale, timezone, name_seq, locale_seq, timezone_seq, seq)
			SELECT ?1, user, name, locale, timezone, iif(name <> '', ?2, 0), iif(locale <> '', ?2, 0), iif(timezone <> '', ?2, 0), ?2
			FROM (SELECT * FROM bulk.list WHERE user > ?3 ORDER BY user LIMIT ?4 + 0) WHERE true `+learnt,
			key.network, in.at, in.last, limit); err != nil {
			return err
		}
		return txn.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MAX(user), '') FROM (SELECT user FROM bulk.list WHERE user > ?1 ORDER BY user LIMIT ?2 + 0)`,
			in.last, limit).Scan(&n, &last)
	}, `DETACH bulk`)
	if err == nil {
		in.last = last
		in.n += n
	}
	return n > 0, err
}

// end makes the generation the channel's: newer than every event that was seen so far, and
// so than all that it replaces.
func (in *incoming) end(ctx context.Context) error {
	key := in.next.channelKey
	return in.s.do(ctx, "end a list", func(ctx context.Context, txn *tx) error {
		txn.touchChannel(key.network, key.channel)
		now := max(in.s.now(), in.s.writer.newest.Load())
		if err := in.s.ensureChannel(ctx, txn, key.network, key.channel, now); err != nil {
			return err
		}
		for _, query := range []string{
			`UPDATE channels SET gen = ?3, list_seq = MAX(list_seq, ?5) WHERE network = ?1 AND id = ?2`,
			`DELETE FROM old_members WHERE network = ?1 AND channel = ?2 AND gen = ?3`,
			`INSERT INTO old_members VALUES (?1, ?2, ?4)`,
		} {
			if _, err := txn.ExecContext(ctx, query, key.network, key.channel, in.next.gen, in.old, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// swapMembers makes the list in a file a channel's members.
func (s *Store) swapMembers(ctx context.Context, path string, network chatbell.NetworkID, channel chatbell.ChannelID) (int, error) {
	key := channelKey{network, channel}
	defer s.channels.forget(key)
	leave, err := s.lists.enter(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("replace members: %w", err)
	}
	defer leave()
	arriving := incoming{s: s, path: path, next: generation{channelKey: key}}
	defer s.sweeper.wake()
	defer func() { s.lists.keep(arriving.next, false) }()
	if err := arriving.begin(ctx); err != nil {
		return 0, fmt.Errorf("replace members: %w", asUnavailable(err))
	}
	for more := true; more; {
		s.step()
		if more, err = arriving.take(ctx, s.chunkSize); err != nil {
			return 0, fmt.Errorf("replace members: %w", asUnavailable(err))
		}
	}
	s.step()
	if err := arriving.end(ctx); err != nil {
		return 0, fmt.Errorf("replace members: %w", asUnavailable(err))
	}
	s.step()
	return arriving.n, nil
}
