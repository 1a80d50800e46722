package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"chatbell"
)

// bulkSuffix marks the files in which bulk lists come in, beside the database. They are
// no part of it: it grows by what a list changes, not by what the list takes while it
// comes in, and when a list has ended, in whatever way, its file is removed.
const bulkSuffix = "-bulk-"

// removeBulk removes the lists that a killed process has left.
func removeBulk(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for unfinished lists beside %s: %w", path, err)
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+bulkSuffix) {
			errs = append(errs, os.Remove(filepath.Join(filepath.Dir(path), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// bulkList is a list of members on its way in.
type bulkList struct {
	path string
	db   *sql.DB
	conn *sql.Conn
	put  *sql.Stmt
}

// newBulkList makes the list's file. A list is worth nothing after a crash, so its file
// has no journal and is not synced, and one transaction holds it all.
func newBulkList(ctx context.Context, path string) (_ *bulkList, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	b := &bulkList{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.remove())
		}
	}()
	if err := file.Close(); err != nil {
		return nil, err
	}
	values := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)"}}
	if b.db, err = sql.Open("sqlite", (&url.URL{
		Scheme:   "file",
		Opaque:   url.PathEscape(path),
		RawQuery: values.Encode(),
	}).String()); err != nil {
		return nil, err
	}
	if b.conn, err = b.db.Conn(ctx); err != nil {
		return nil, err
	}
	for _, query := range []string{
		`CREATE TABLE list (user TEXT PRIMARY KEY, name TEXT NOT NULL, locale TEXT NOT NULL, timezone TEXT NOT NULL, roles TEXT NOT NULL) WITHOUT ROWID`,
		`BEGIN`,
	} {
		if _, err := b.conn.ExecContext(ctx, query); err != nil {
			return nil, err
		}
	}
	b.put, err = b.conn.PrepareContext(ctx, `INSERT OR REPLACE INTO list VALUES (?, ?, ?, ?, ?)`)
	return b, err
}

// collect takes the list in, to its end.
func (b *bulkList) collect(ctx context.Context, members iter.Seq2[chatbell.Member, error]) error {
	for member, err := range members {
		if err != nil {
			return err
		}
		if _, err := b.put.ExecContext(ctx, member.ID, member.Name, member.Locale, member.Timezone, list(member.ChannelRoles)); err != nil {
			return fmt.Errorf("collect members: %w", asUnavailable(err))
		}
	}
	if _, err := b.conn.ExecContext(ctx, `COMMIT`); err != nil {
		return fmt.Errorf("collect members: %w", asUnavailable(err))
	}
	return b.close()
}

// close ends our own use of the file, which stays. Closing again does nothing.
func (b *bulkList) close() error {
	var errs []error
	if b.put != nil {
		errs = append(errs, b.put.Close())
	}
	if b.conn != nil {
		errs = append(errs, b.conn.Close())
	}
	if b.db != nil {
		errs = append(errs, b.db.Close())
	}
	b.put = nil
	b.conn = nil
	b.db = nil
	return errors.Join(errs...)
}

// remove ends the list.
func (b *bulkList) remove() error { return errors.Join(b.close(), os.Remove(b.path)) }

// ReplaceMembers makes a channel's members exactly those of a list, which may be
// long and slow to come: it is collected beside the database first, comes in by and by,
// among other writes, and takes effect in one step. An error of the list changes nothing,
// and leaves nothing; where the disk is full, or the process is killed, the members are
// the old ones, and some of the list's people may have their new names. Who is deleted
// while the list comes in stays deleted. Lists of one channel come one after another.
func (s *Store) ReplaceMembers(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, members iter.Seq2[chatbell.Member, error]) (n int, err error) {
	b, err := newBulkList(ctx, s.path+bulkSuffix+rand.Text())
	if err != nil {
		return 0, fmt.Errorf("collect members: %w", asUnavailable(err))
	}
	defer func() { err = errors.Join(err, b.remove()) }()
	if err := b.collect(ctx, members); err != nil {
		return 0, err
	}
	return s.swapMembers(ctx, b.path, network, channel)
}
