// Package clickhouse is the home of clickhouse-go: it creates chatbell's tables,
// inserts rows so that each is there once and counted once, and looks rows up. The same
// code serves the embedded engine (over ClickHouse's HTTP interface) and any server.
//
// A Store is safe for concurrent use.
package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Config says where the database is.
type Config struct {
	// DSN is clickhouse://user:password@host:9000/database or http://… .
	DSN string
	// TLS is used where the DSN asks for TLS; nil means the system's trust.
	TLS *tls.Config
	// Dial connects to the server in the place of a connection to the DSN's address: for a
	// server whose address is not known yet, or belongs to somebody else at times.
	Dial   func(context.Context) (net.Conn, error)
	Logger *slog.Logger
}

// Store is a connection to the database.
type Store struct {
	conn     driver.Conn
	options  ch.Options // of conn
	database string
	schema   schema
	log      *slog.Logger

	turn  chan struct{} // held while preparing, and to read or set ready; waiting for it can be given up
	ready bool
}

// The oldest server that is meant to do what we need; nobody has tried older ones.
const (
	minMajor = 24
	minMinor = 8
)

// TooOldError says that the server cannot be used.
type TooOldError struct{ Version string }

// Error names both versions.
func (e *TooOldError) Error() string {
	return fmt.Sprintf("the ClickHouse server has version %s; chatbell needs %d.%d or newer", e.Version, minMajor, minMinor)
}

const (
	// openTimeout bounds the first try to reach the server.
	openTimeout = 10 * time.Second
	// queryTimeout bounds one statement.
	queryTimeout = 30 * time.Second
)

// schemes are those that clickhouse-go knows; it takes any other for the first.
var schemes = []string{"clickhouse", "tcp", "http", "https"}

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Open prepares the database. A server that is too old, or a schema that is newer than
// this build, is an error; a server that cannot be reached yet is not: the tables are
// made with the first insert.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	build, err := ours()
	if err != nil {
		return nil, err
	}
	return openSchema(ctx, cfg, build)
}

// openSchema is Open for a build with a schema.
func openSchema(ctx context.Context, cfg Config, build schema) (*Store, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	opts, err := parseDSN(cfg.DSN)
	if err != nil {
		return nil, err
	}
	store := &Store{
		database: opts.Auth.Database,
		schema:   build,
		log:      cfg.Logger,
		turn:     make(chan struct{}, 1),
	}
	opts.Auth.Database = "default" // ours may not exist yet; every name is qualified
	opts.DialTimeout = 5 * time.Second
	opts.ReadTimeout = queryTimeout
	opts.MaxOpenConns = 4
	opts.MaxIdleConns = 2 // one recorder, and senders that look up repeats
	opts.Compression = &ch.Compression{Method: ch.CompressionNone}
	if opts.TLS != nil && cfg.TLS != nil {
		opts.TLS = cfg.TLS
	}
	if cfg.Dial != nil {
		opts.DialContext = func(ctx context.Context, _ string) (net.Conn, error) { return cfg.Dial(ctx) }
	}
	store.options = *opts
	if store.conn, err = ch.Open(opts); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	var old *TooOldError
	var newer *NewerSchemaError
	switch err := store.prepare(ctx); {
	case errors.As(err, &old), errors.As(err, &newer):
		return nil, errors.Join(err, store.conn.Close())
	case err != nil:
		cfg.Logger.Warn("ClickHouse cannot be reached yet; results wait", "error", err)
	}
	return store, nil
}

// CheckDSN reports what is wrong with an address, without quoting it: it may hold a
// password.
func CheckDSN(dsn string) error {
	_, err := parseDSN(dsn)
	return err
}

// parseDSN reads an address; Auth.Database is where our tables are.
func parseDSN(dsn string) (*ch.Options, error) {
	opts, err := ch.ParseDSN(dsn)
	if scheme, _, _ := strings.Cut(dsn, "://"); err != nil || !slices.Contains(schemes, scheme) {
		return nil, errors.New("the address cannot be read: want clickhouse://user:password@host:9000/database or http://host:8123") // the cause may quote the password
	}
	if opts.Auth.Database == "" || opts.Auth.Database == "default" {
		opts.Auth.Database = "chatbell"
	}
	if !databaseName.MatchString(opts.Auth.Database) {
		return nil, fmt.Errorf("the database name %q must be letters, digits and underscores", opts.Auth.Database)
	}
	return opts, nil
}

// Close closes the connections.
func (s *Store) Close() error { return s.conn.Close() }

// prepare checks the version and brings the tables up to date, once.
func (s *Store) prepare(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for ClickHouse: %w", ctx.Err())
	}
	defer func() { <-s.turn }()
	if s.ready {
		return nil
	}
	if err := s.conn.Ping(ctx); err != nil { // ServerVersion has no context: it takes this connection
		return fmt.Errorf("reach ClickHouse: %w", unanswered(err))
	}
	server, err := s.conn.ServerVersion()
	if err != nil {
		return fmt.Errorf("ask ClickHouse for its version: %w", unanswered(err))
	}
	version := server.Version
	if version.Major < minMajor || version.Major == minMajor && version.Minor < minMinor {
		return &TooOldError{version.String()}
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.comment(ctx); err != nil {
		return err
	}
	s.ready = true
	return nil
}

// name puts the database's name into a statement.
func (s *Store) name(query string) string { return strings.ReplaceAll(query, "{db}", s.database) }
