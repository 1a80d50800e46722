package sqlite

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/internal/store"
)

// A file of the first schema is brought up to date: what it has stays, and still no
// older event changes it.
func TestOlderSchema(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "db")
	writeFirstSchema(t, path)
	for range 2 { // what is up to date stays as it is
		s := open(t, path, func() uint64 { return 10 })
		for seq, e := range []chatbell.Event{
			1: {Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "a", Name: "Old", Locale: "ja"}},
			2: {Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "gone", Name: "Old"}},
			3: {Type: chatbell.ChannelJoined, Channel: chatbell.ChannelRef{ID: "c", Name: "Old"}, Members: []chatbell.Person{{ID: "gone"}}},
			4: {Type: chatbell.ChannelJoined, Channel: chatbell.ChannelRef{ID: "closed"}, Members: []chatbell.Person{{ID: "b"}}},
		} {
			if err := s.Apply(ctx, uint64(seq), &chatbell.Envelope{Network: "acme", Event: e}); err != nil {
				t.Fatal(err)
			}
		}
		u, err := s.User(ctx, "acme", "a")
		if want := (chatbell.User{ID: "a", Name: "Ann"}); err != nil || !reflect.DeepEqual(u, want) {
			t.Errorf("the user is %+v, %v; want %+v", u, err, want)
		}
		for channel, want := range map[chatbell.ChannelID]int{"c": 1, "closed": 0} {
			if list, err := s.Members(ctx, "acme", channel, "", 10); err != nil || len(list) != want {
				t.Errorf("the members of %s are %v, %v; want %d", channel, list, err, want)
			}
		}
		if d, err := s.Device(ctx, "acme", "d"); err != nil || d.Token != "t" {
			t.Errorf("the device is %+v, %v", d, err)
		}
		waiting, err := s.Backlogs(ctx)
		first := time.UnixMilli(1_700_000_000_000)
		push := time.UnixMilli(1_750_000_000_000)
		if want := []store.Backlog{
			{Destination: "acme/fcm/chat", Kind: chatbell.TargetFCM, Rows: 1, Bytes: 1, Next: push, Oldest: push},
			{Destination: "acme/webhook/main", Kind: chatbell.TargetWebhook, Rows: 2, Bytes: 2, Next: first, Oldest: first},
		}; err != nil || !reflect.DeepEqual(waiting, want) {
			t.Errorf("there waits %+v, %v; want %+v", waiting, err, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// writeFirstSchema makes a file as the first build has left it.
func writeFirstSchema(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		`users (network, id, name, seq) VALUES ('acme', 'a', 'Ann', 10)`,
		`users (network, id, seq, deleted) VALUES ('acme', 'gone', 10, 1)`,
		`channels (network, id, name, seq) VALUES ('acme', 'c', 'General', 10)`,
		`channels (network, id, seq, deleted) VALUES ('acme', 'closed', 10, 1)`,
		`members (network, channel, user, joined_seq, seq) VALUES ('acme', 'c', 'a', 5, 5)`,
		`later VALUES ('1', 1800000000000, 'acme/webhook/main', 'HOOK.1.acme', 'x')`,
		`later VALUES ('2', 1700000000000, 'acme/webhook/main', 'HOOK.1.acme', 'x')`,
		`later VALUES ('3', 1750000000000, 'acme/fcm/chat', 'PUSH.1.acme', 'x')`,
		`devices VALUES ('acme', 'd', 'a', 'apns', 'ios', 't', 'chat', '', '', 0, '', 1, '', 5)`,
	} {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO "+row); err != nil {
			t.Fatal(err)
		}
	}
}

// Tombstones that no waiting event can be older than are removed in the background;
// younger ones stay, and so do the living.
func TestTidy(t *testing.T) {
	ctx, path, now := t.Context(), filepath.Join(t.TempDir(), "db"), uint64(10)
	s := open(t, path, func() uint64 { return now })
	for id, seq := range map[chatbell.UserID]uint64{"old": 1, "young": 5} {
		for i, e := range []chatbell.Event{
			{Type: chatbell.ChannelLeft, Channel: chatbell.ChannelRef{ID: "c"}, Members: []chatbell.Person{{ID: id}}},
			{Type: chatbell.UserDeleted, User: &chatbell.Person{ID: id}},
			{Type: chatbell.ChannelDeleted, Channel: chatbell.ChannelRef{ID: chatbell.ChannelID(id)}},
			{Type: chatbell.ChannelJoined, Channel: chatbell.ChannelRef{ID: "living"}, Members: []chatbell.Person{{ID: "living"}}},
		} {
			if err := s.Apply(ctx, seq+uint64(i)%2, &chatbell.Envelope{Network: "acme", Event: e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now = tombstoneAge + 5
	s = open(t, path, func() uint64 { return now })
	if err := s.PutChannel(ctx, "acme", chatbell.Channel{ID: "living"}); err != nil { // with the new sequence
		t.Fatal(err)
	}
	s.sweeper.wake()
	for query, want := range map[string]int{
		`SELECT COUNT(*) FROM members WHERE deleted = 1`:  1,
		`SELECT COUNT(*) FROM users WHERE deleted = 1`:    1,
		`SELECT COUNT(*) FROM channels WHERE deleted = 1`: 1,
		`SELECT COUNT(*) FROM members WHERE deleted = 0`:  1,
		`SELECT COUNT(*) FROM users WHERE deleted = 0`:    1,
		`SELECT COUNT(*) FROM channels WHERE deleted = 0`: 1,
	} {
		polltest.Until(t, fmt.Sprintf("%s is %d", query, want), func() bool {
			var n int
			if err := s.readDB.QueryRowContext(ctx, query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n == want
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A path is a path, whatever is in it, not an address with options.
func TestOddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?mode=memory#c%20d&e=ü'")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "chatbell.db")
	s := open(t, path, nil)
	if err := s.PutMeta(t.Context(), "k", "v"); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the store is elsewhere: %v", err)
	}
	s = open(t, path, nil)
	if v, err := s.Meta(t.Context(), "k"); err != nil || v != "v" {
		t.Errorf("the value is %q, %v", v, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
