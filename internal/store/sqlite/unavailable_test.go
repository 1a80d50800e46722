package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"chatbell"
	"chatbell/internal/store"
)

// A full disk and a busy database are said to be that, by writes, lists and reads, and
// when there is room again all is well.
func TestUnavailable(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "db")
	s := open(t, path, nil)
	put := func() (err error) {
		for i := 0; i < 2000 && err == nil; i++ {
			err = s.PutUser(ctx, "acme", chatbell.User{ID: chatbell.UserID(fmt.Sprint("user", i)), Name: "a name of some length, so that pages fill"})
		}
		return err
	}
	set := func(pragma string, value int) {
		t.Helper()
		if err := s.writer.do(ctx, func(ctx context.Context, q *tx) error {
			_, err := q.ExecContext(ctx, fmt.Sprintf("PRAGMA %s = %d", pragma, value))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	limit := func(pages int) { t.Helper(); set("max_page_count", pages) }
	limit(1) // no more than there are
	if err := put(); !errors.Is(err, store.ErrFull) {
		t.Errorf("a write to a full disk: %v", err)
	}
	if _, err := s.ReplaceMembers(ctx, "acme", "c", crowd(500, nil, func() {})); !errors.Is(err, store.ErrFull) {
		t.Errorf("a list to a full disk: %v", err)
	}
	limit(1 << 30)
	if err := put(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if _, err := s.ReplaceMembers(ctx, "acme", "c", crowd(10, nil, func() {})); err != nil {
		t.Errorf("a list with room again: %v", err)
	}
	set("busy_timeout", 50) // milliseconds, rather than seconds
	other, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	other.SetMaxOpenConns(1)
	if _, err := other.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := s.PutMeta(ctx, "k", "v"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a write to a busy database: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutMeta(ctx, "k", "v"); err != nil {
		t.Errorf("when it is free: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutMeta(ctx, "k", "v"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a write after the end: %v", err)
	}
}

// Where the disk is full SQLite undoes the whole transaction: no write of it counts as
// done, and none after it is done by itself.
func TestFullDiskFailsAllTogether(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "db")
	s := open(t, path, nil)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	meta := func(key string, more func(context.Context, *tx) error) *write {
		return &write{ctx: ctx, done: make(chan struct{}), f: func(ctx context.Context, q *tx) error {
			if _, err := q.ExecContext(ctx, `INSERT INTO meta VALUES (?, 'v')`, key); err != nil || more == nil {
				return err
			}
			return more(ctx, q)
		}}
	}
	fill := func(ctx context.Context, q *tx) error {
		if _, err := q.ExecContext(ctx, `PRAGMA max_page_count = 1`); err != nil { // no more than there are
			return err
		}
		_, err := q.ExecContext(ctx, `INSERT INTO meta SELECT value, hex(zeroblob(1000)) FROM json_each(?)`, `["a1","a2","a3","a4","a5","a6","a7","a8","a9"]`)
		return err
	}
	list := []*write{meta("before", nil), meta("full", fill), meta("after", nil)}
	if err := s.writer.do(ctx, func(context.Context, *tx) error { return nil }); err != nil { // it is idle now
		t.Fatal(err)
	}
	s.writer.group(list)
	for i, r := range list {
		if !errors.Is(r.err, store.ErrFull) {
			t.Errorf("write %d: %v", i, r.err)
		}
	}
	for _, key := range []string{"before", "full", "after"} {
		if _, err := s.Meta(ctx, key); !errors.Is(err, chatbell.ErrNotFound) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
