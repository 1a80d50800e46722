package sqlite

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chatbell"
	"chatbell/internal/polltest"
)

// sizes are the bytes of the database with its log, and of the other files beside it.
func sizes(t *testing.T, path string) (database, others int64) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		switch name, ok := strings.CutPrefix(e.Name(), filepath.Base(path)); {
		case ok && (name == "" || name == "-wal" || name == "-shm"):
			database += info.Size()
		default:
			others += info.Size()
		}
	}
	return database, others
}

// crowd is a list of members with long names; seen is called before each of them.
func crowd(n int, end error, seen func()) iter.Seq2[chatbell.Member, error] {
	return func(yield func(chatbell.Member, error) bool) {
		name := strings.Repeat("x", 900)
		for i := range n {
			seen()
			if !yield(chatbell.Member{User: chatbell.User{ID: chatbell.UserID(fmt.Sprintf("user-%06d", i)), Name: name}}, nil) {
				return
			}
		}
		if end != nil {
			yield(chatbell.Member{}, end)
		}
	}
}

// swept waits until nothing is left of lists that are nobody's.
func swept(t *testing.T, s *Store) {
	t.Helper()
	polltest.Until(t, "no old members are left", func() bool {
		var n int
		if err := s.readDB.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM old_members`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 0
	})
}

// A list that breaks off, however long it was, leaves the database as large as it was
// and no file behind; one that is left by a killed process is removed at the next start.
func TestBrokenListLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path, nil)
	if _, err := s.ReplaceMembers(t.Context(), "acme", "c", crowd(3, nil, func() {})); err != nil {
		t.Fatal(err)
	}
	swept(t, s)
	before, _ := sizes(t, path)
	broken, grown := errors.New("the list broke off"), int64(0)
	check := func() { _, others := sizes(t, path); grown = max(grown, others) }
	if _, err := s.ReplaceMembers(t.Context(), "acme", "c", crowd(5000, broken, check)); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	after, others := sizes(t, path)
	if after != before || others != 0 || grown < 1<<20 {
		t.Errorf("the database had %d bytes and has %d; beside it were %d bytes and are %d", before, after, grown, others)
	}
	if list, err := s.Members(t.Context(), "acme", "c", "", 10); err != nil || len(list) != 3 {
		t.Errorf("the members are %v, %v", list, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left, other := path+bulkSuffix+"KILLED", path+"-other"
	for _, file := range []string{left, other} {
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(t, path, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a killed process left: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("what is not ours: %v", err)
	}
}

// Lists that come side by side each take effect as a whole, among other writes, and one
// that fails when it takes effect does not stand in the way of the next.
func TestListsSideBySide(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path, nil)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			channel := chatbell.ChannelID(fmt.Sprint("c", i))
			if n, err := s.ReplaceMembers(t.Context(), "acme", channel, crowd(100+i, nil, func() {})); err != nil || n != 100+i {
				t.Errorf("%s: %d, %v", channel, n, err)
			}
		})
		wg.Go(func() {
			if err := s.PutUser(t.Context(), "acme", chatbell.User{ID: chatbell.UserID(fmt.Sprint("u", i))}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		list, err := s.Members(t.Context(), "acme", chatbell.ChannelID(fmt.Sprint("c", i)), "", 1000)
		if err != nil || len(list) != 100+i {
			t.Errorf("c%d has %d members, %v", i, len(list), err)
		}
	}
	// A file that is no database cannot take effect.
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte(strings.Repeat("this is no database\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.swapMembers(t.Context(), bad, "acme", "c0"); err == nil {
		t.Error("a broken file took effect")
	}
	if n, err := s.ReplaceMembers(t.Context(), "acme", "c0", crowd(1, nil, func() {})); err != nil || n != 1 {
		t.Errorf("the list after it: %d, %v", n, err)
	}
	if _, others := sizes(t, path); others != 0 {
		t.Errorf("%d bytes are left beside the database", others)
	}
}
