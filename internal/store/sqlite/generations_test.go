package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"chatbell"
)

// saved copies what a process that is killed at this moment leaves. No write may be under
// way.
func saved(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// A process that is killed while a list comes in has the old list or the new one when it
// starts again, and soon no row of the other.
func TestKilledWhileAListComesIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path, nil)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	s.sweeper.stop() // it writes at other times
	for i := range 15 {
		id := chatbell.UserID(fmt.Sprintf("old-%02d", i))
		if err := s.PutMember(t.Context(), "acme", "c", chatbell.Member{User: chatbell.User{ID: id}}); err != nil {
			t.Fatal(err)
		}
	}
	var left []string
	s.chunkSize = 10
	s.step = func() { left = append(left, saved(t, path)) }
	if n, err := s.ReplaceMembers(t.Context(), "acme", "c", crowd(35, nil, func() {})); err != nil || n != 35 {
		t.Fatalf("%d members, %v", n, err)
	}
	if len(left) < 6 {
		t.Fatalf("the list came in %d steps", len(left))
	}
	for i, path := range left {
		want, first := 15, "old-00"
		if i == len(left)-1 {
			want, first = 35, "user-000000"
		}
		s := open(t, path, nil)
		for _, when := range []string{"at once", "later"} {
			list, err := s.Members(t.Context(), "acme", "c", "", 100)
			if err != nil || len(list) != want || string(list[0].ID) != first {
				t.Errorf("killed at step %d: %d members %s, the first of %v, %v; want %d", i, len(list), when, list[:1], err, want)
			}
			swept(t, s)
		}
		var rows int
		if err := s.readDB.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM members`).Scan(&rows); err != nil || rows != want {
			t.Errorf("killed at step %d: %d rows are left, %v; want %d", i, rows, err, want)
		}
		if n, err := s.ReplaceMembers(t.Context(), "acme", "c", crowd(3, nil, func() {})); err != nil || n != 3 {
			t.Errorf("the next list: %d, %v", n, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// While a long list comes in other writes go on, each after a chunk at most.
func TestOthersWriteWhileAListComesIn(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"), nil)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	s.chunkSize = 100
	var others atomic.Int64
	steps := int64(0)
	s.step = func() { steps++ }
	stop := make(chan struct{})
	done := make(chan struct{})
	var slowest time.Duration
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			began := time.Now()
			if err := s.PutMeta(t.Context(), "k", "v"); err != nil {
				t.Error(err)
				return
			}
			slowest = max(slowest, time.Since(began))
			others.Add(1)
		}
	}()
	if _, err := s.ReplaceMembers(t.Context(), "acme", "c", crowd(5000, nil, func() {})); err != nil {
		t.Error(err)
	}
	close(stop)
	<-done
	if steps < 50 || others.Load() < steps/2 || slowest > 2*time.Second {
		t.Errorf("%d steps, %d other writes, the slowest took %s", steps, others.Load(), slowest)
	}
}

// A list is as new as the moment at which it takes effect, however long it came in: what
// was accepted before that, and is applied after it, changes nothing of it; what is called
// after it does.
func TestListIsAsNewAsItsEnd(t *testing.T) {
	ctx := t.Context()
	sequence := uint64(10)
	s := open(t, filepath.Join(t.TempDir(), "db"), func() uint64 { return sequence })
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	s.sweeper.stop() // so that the old rows are still there
	apply := func(seq uint64, e chatbell.Event) {
		t.Helper()
		if err := s.Apply(ctx, seq, &chatbell.Envelope{Network: "acme", Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	about := func(kind chatbell.EventType, channel chatbell.ChannelID, people ...chatbell.UserID) chatbell.Event {
		e := chatbell.Event{Type: kind, Channel: chatbell.ChannelRef{ID: channel}}
		for _, id := range people {
			e.Members = append(e.Members, chatbell.Person{ID: id})
		}
		return e
	}
	members := func(when string, want int) {
		t.Helper()
		if list, err := s.Members(ctx, "acme", "c", "", 100); err != nil || len(list) != want {
			t.Errorf("%d members %s, %v; want %d", len(list), when, err, want)
		}
	}
	apply(1, about(chatbell.ChannelJoined, "c", "old"))
	s.chunkSize = 10
	steps := 0
	s.step = func() {
		if steps++; steps == 2 {
			sequence = 20
			apply(25, about(chatbell.ChannelJoined, "elsewhere", "somebody")) // before this is known to be accepted
		}
	}
	if n, err := s.ReplaceMembers(ctx, "acme", "c", crowd(15, nil, func() {})); err != nil || n != 15 {
		t.Fatal(n, err)
	}
	apply(15, about(chatbell.ChannelLeft, "c", "user-000001"))
	members("after an older leave", 15)
	apply(16, about(chatbell.ChannelJoined, "c", "late"))
	members("after an older join", 15)
	apply(17, about(chatbell.ChannelDeleted, "c"))
	members("after an older deletion", 15)
	apply(18, chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "user-000002"}})
	members("after an older deletion of a person", 15)
	apply(24, chatbell.Event{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: "old"}})
	if err := s.DeleteUser(ctx, "acme", "old"); !errors.Is(err, chatbell.ErrNotFound) {
		t.Errorf("deleting who is only in the old list: %v", err)
	}
	if err := s.DeleteUser(ctx, "acme", "user-000003"); err != nil {
		t.Error(err)
	}
	members("after a call that deleted one", 14)
	if n, err := s.ReplaceMembers(ctx, "acme", "c", crowd(5, nil, func() {})); err != nil || n != 5 {
		t.Fatal(n, err)
	}
	apply(22, about(chatbell.ChannelUpdated, "c"))
	if err := s.DeleteChannel(ctx, "acme", "c"); err != nil {
		t.Error(err)
	}
	members("after a call that deleted all", 0)
}

// The sweeper looks at what is old, and a list that came in then becomes the channel's
// before anything is removed: its members stay.
func TestSweeperLeavesAListThatHasCome(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"), nil)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	if err := s.PutChannel(ctx, "acme", chatbell.Channel{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	var found []generation // as the sweeper sees it while the list comes in
	s.step = func() {
		rows, err := s.read.QueryContext(ctx, `SELECT network, channel, gen FROM old_members`)
		if err != nil {
			t.Error(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var gen generation
			if err := rows.Scan(&gen.network, &gen.channel, &gen.gen); err != nil {
				t.Error(err)
			}
			found = append(found, gen)
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
	}
	people := func(yield func(chatbell.Member, error) bool) {
		yield(chatbell.Member{User: chatbell.User{ID: "bob"}}, nil)
	}
	if _, err := s.ReplaceMembers(ctx, "acme", "c", people); err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("nothing was seen of the list while it came in")
	}
	for _, gen := range found {
		if err := s.sweepGeneration(ctx, gen); err != nil {
			t.Fatal(err)
		}
	}
	if members, err := s.Members(ctx, "acme", "c", "", 10); err != nil || len(members) != 1 {
		t.Errorf("%d members are left, %v; want 1", len(members), err)
	}
}
