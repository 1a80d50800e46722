// Package sqlite keeps chatbell's state in one SQLite file: users, channels, members,
// devices, settings, and the work that waits.
//
// All writes go through one goroutine that commits what is waiting together, each
// write in a savepoint of its own, so that small writes are cheap and a failing one
// harms no other. Reads go through a pool and see the last commit; none lasts longer
// than a page. A write that returned nil survives a killed process.
//
// All methods are safe for concurrent use. What does not exist is
// chatbell.ErrNotFound.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"chatbell"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is what a store is opened with.
type Config struct {
	// Path is the database file; it is made when absent.
	Path string
	// Logger is told what goes wrong beside all calls. Nil means nobody.
	Logger *slog.Logger
	// Sequence is the newest accepted event's. It stamps what the API writes, so that an
	// event which was accepted before, but is matched after, changes nothing. Nil means 0.
	Sequence func() uint64
}

// Store is the open database.
type Store struct {
	path   string
	readDB *sql.DB
	write  *sql.DB
	read   *prepared // on readDB
	seq    func() uint64
	writer *writer

	audiences *audiences

	lists     lists
	chunkSize int    // chunkSize, but for tests
	step      func() // is called before each step of a list, and after the last: for tests
	sweeper   *sweeper

	toggles  cached[chatbell.NetworkID, string]    // as stored; "" where never set
	channels cached[channelKey, *chatbell.Channel] // nil where there is none
	disabled cached[struct{}, map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason]
}

type channelKey struct {
	network chatbell.NetworkID
	channel chatbell.ChannelID
}

// readers bounds the pool: two cores, and a page is CPU-bound.
const readers = 8

// Open opens the database and brings its schema up to date. A schema that is newer
// than this build is refused.
func Open(ctx context.Context, cfg Config) (_ *Store, err error) {
	if cfg.Path == "" {
		return nil, errors.New("open the store: no path is given")
	}
	if cfg.Sequence == nil {
		cfg.Sequence = func() uint64 { return 0 }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	store := &Store{
		path:      cfg.Path,
		seq:       cfg.Sequence,
		audiences: newAudiences(keptBytes),
		chunkSize: chunkSize,
		step:      func() {},
	}
	store.lists.busy = map[channelKey]chan struct{}{}
	store.lists.coming = map[generation]bool{}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	if err := removeBulk(cfg.Path); err != nil {
		return nil, err
	}
	if store.write, err = sql.Open("sqlite", dsn(cfg.Path)); err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.Path, err)
	}
	store.write.SetMaxOpenConns(1)
	if err := migrate(ctx, store.write, cfg.Path); err != nil {
		return nil, err
	}
	if store.readDB, err = sql.Open("sqlite", dsn(cfg.Path)+"&_pragma=query_only(1)"); err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.Path, err)
	}
	store.readDB.SetMaxOpenConns(readers)
	store.readDB.SetMaxIdleConns(readers)
	store.read = newPrepared(store.readDB)
	conn, err := store.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.Path, err)
	}
	store.writer = newWriter(conn, store.audiences.forget)
	newest, err := store.NewestSequence(ctx)
	if err != nil {
		return nil, err
	}
	store.writer.saw(int64(newest))
	store.startSweeper(cfg.Logger)
	return store, nil
}

// dsn sets what every connection needs. In WAL mode with synchronous=NORMAL a killed
// process loses nothing; a power cut may lose the last commits, as in the broker. A
// write of a million rows leaves a log of some hundred MB, of which 64 MiB are kept.
func dsn(path string) string {
	query := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(NORMAL)", "busy_timeout(5000)", "foreign_keys(1)", "journal_size_limit(67108864)"}}
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: query.Encode()}).String()
}

func migrate(ctx context.Context, db *sql.DB, path string) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version in %s (is another process using it?): %w", path, err)
	}
	if current > target {
		return fmt.Errorf("%s has schema version %d, newer than this build's %d: use the newer chatbell", path, current, target)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema of %s up to date: %w", path, err)
	}
	return nil
}

// Close waits for the writes under way and closes the file.
func (s *Store) Close() error {
	var errs []error
	if s.sweeper != nil {
		s.sweeper.stop()
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.read != nil {
		errs = append(errs, s.read.close())
	}
	for _, db := range []*sql.DB{s.readDB, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// do runs a write and says what it was for when it fails.
func (s *Store) do(ctx context.Context, what string, f func(context.Context, *tx) error) error {
	if err := s.writer.do(ctx, f); err != nil {
		return fmt.Errorf("%s: %w", what, asUnavailable(err))
	}
	return nil
}

// exec runs one statement as a write and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	var n int64
	err := s.do(ctx, what, func(ctx context.Context, q *tx) error {
		res, err := q.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

// found turns "no rows" into the domain's word.
func found(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", what, chatbell.ErrNotFound)
	}
	return fmt.Errorf("%s: %w", what, asUnavailable(err))
}
