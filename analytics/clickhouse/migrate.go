package clickhouse

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
)

// The migrations name tables without a database: they run where the tables are to be.
// ClickHouse has no transactions, so that each statement has to bear a repeat (IF NOT
// EXISTS, IF EXISTS): a migration that broke off is run again from its beginning.
//
//go:embed migrations/*.sql
var migrations embed.FS

// schema is what a build makes of a database.
type schema struct {
	migrations fs.FS
	relations  []relation
}

// ours is this build's schema.
func ours() (schema, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return schema{}, fmt.Errorf("read migrations: %w", err)
	}
	return schema{migrations: dir, relations: relations()}, nil
}

// NewerSchemaError says that a newer chatbell has been here.
type NewerSchemaError struct {
	Database     string
	Schema, Ours int64
}

// Error says what to do.
func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("the ClickHouse database %s has schema version %d, newer than this build's %d: use the newer chatbell", e.Database, e.Schema, e.Ours)
}

// migrate makes the database, and runs the migrations that it does not have.
func (s *Store) migrate(ctx context.Context) (err error) {
	if err := s.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+s.database); err != nil {
		return fmt.Errorf("create database %s: %w", s.database, unanswered(err))
	}
	db := s.openSQL()
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, s.schema.migrations)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version in the ClickHouse database %s: %w", s.database, unanswered(err))
	}
	if current > target {
		return &NewerSchemaError{s.database, current, target}
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema of the ClickHouse database %s up to date: %w", s.database, unanswered(err))
	}
	return nil
}

// openSQL opens the database as database/sql has it, which goose wants. It exists now.
func (s *Store) openSQL() *sql.DB {
	o := s.options
	o.Auth.Database = s.database
	o.MaxOpenConns = 1
	o.MaxIdleConns = 1
	return ch.OpenDB(&o)
}
