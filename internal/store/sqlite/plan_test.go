package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/internal/store/storetest"
)

// readThrough is a step that reads all rows of something, or all of a network.
var readThrough = regexp.MustCompile(`^SCAN (\w+)|^SEARCH (\w+) .*\(network=\?\)$`)

// mayBeRead are what may be read through: tables with a row for each network, key,
// endpoint, kind of target or list on its way in or out, or one row; j, json_each and bulk.list are ids that a call
// gives, the others what was found before.
var mayBeRead = []string{
	"networks", "keys", "disabled_endpoints", "network_settings", "recorder_cursor", "waiting_totals", "scheduled_totals", "old_members", "j", "json_each", "bulk", "list", "m", "CONSTANT",
}

// The suite, and what it leads to: every query finds its rows by an index, and nothing
// reads the members or devices of others.
func TestStore(t *testing.T) {
	var kept, atOpen []map[string]*sql.Stmt
	t.Run("Suite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, dir string, sequence func() uint64) storetest.Store {
			s := open(t, filepath.Join(dir, "db"), sequence)
			// Close leaves these maps as they are.
			kept = append(kept, s.read.statements, s.writer.stmt.statements)
			atOpen = append(atOpen, map[string]*sql.Stmt{}, maps.Clone(s.writer.stmt.statements))
			return s
		})
	})
	t.Run("QueriesUseTheirIndexes", func(t *testing.T) {
		queries := map[string]bool{}
		for i, statements := range kept {
			for query := range statements {
				if _, tidying := atOpen[i][query]; !tidying { // which may take its time
					queries[query] = true
				}
			}
		}
		if len(queries) < 50 {
			t.Errorf("the suite led to %d queries only; the test has gone blind", len(queries))
		}
		usesIndexes(t, slices.Sorted(maps.Keys(queries)))
	})
}

func usesIndexes(t *testing.T, queries []string) {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "db"), func() uint64 { return 0 })
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	s.readDB.SetMaxOpenConns(1) // the one to which a list is attached
	if _, err := s.readDB.ExecContext(t.Context(), `ATTACH ? AS bulk`, emptyBulkList(t)); err != nil {
		t.Fatal(err)
	}
	for _, query := range queries {
		for _, step := range plan(t, s.readDB, query) {
			if what := readThrough.FindStringSubmatch(step); what != nil && !slices.Contains(mayBeRead, what[1]+what[2]) {
				t.Errorf("%s: %s", step, query)
			}
		}
	}
}

// emptyBulkList is the file of a list without members.
func emptyBulkList(t *testing.T) string {
	t.Helper()
	b, err := newBulkList(t.Context(), filepath.Join(t.TempDir(), "list"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.collect(t.Context(), func(func(chatbell.Member, error) bool) {}); err != nil {
		t.Fatal(err)
	}
	return b.path
}

// What is asked for most often is found by the index that was made for it.
func TestIndexes(t *testing.T) {
	const n chatbell.NetworkID = "acme"
	for what, x := range map[string]struct {
		ask  func(context.Context, *Store) error
		want []string
	}{
		"Audience": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Audience(ctx, chatbell.AudienceQuery{Network: n, Channel: "c", Limit: 10})
				return err
			}, []string{"members USING COVERING INDEX members_there (network=? AND channel=? AND gen=? AND user>?)", "d USING INDEX devices_by_user (network=? AND user=?)"},
		},
		"Recipients": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Recipients(ctx, n, "c", []chatbell.UserID{"a"})
				return err
			}, []string{"members USING PRIMARY KEY (network=? AND channel=? AND gen=? AND user=?)", "d USING INDEX devices_by_user (network=? AND user=?)"},
		},
		"Devices": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Devices(ctx, n, store.DeviceFilter{Limit: 10})
				return err
			}, []string{"devices USING PRIMARY KEY (network=? AND id>?)"},
		},
		"Devices of a user": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Devices(ctx, n, store.DeviceFilter{User: "a", Limit: 10})
				return err
			}, []string{"devices USING INDEX devices_by_user (network=? AND user=? AND id>?)"},
		},
		"CheckDevices": {
			func(ctx context.Context, s *Store) error {
				_, err := s.CheckDevices(ctx, n, []chatbell.DeviceID{"d"})
				return err
			}, []string{"devices USING PRIMARY KEY (network=? AND id=?)"},
		},
		"Waiting that is due": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Waiting(ctx, store.WaitingQuery{Destination: "d", Due: time.Now(), Limit: 10})
				return err
			}, []string{"waiting USING INDEX waiting_by_due (destination=? AND due_at<?)"},
		},
		"Waiting in its order": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Waiting(ctx, store.WaitingQuery{Destination: "d", Limit: 10})
				return err
			}, []string{"waiting USING INDEX waiting_by_order (destination=?)"},
		},
		"Backlogs": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Backlogs(ctx)
				return err
			}, []string{"waiting USING COVERING INDEX waiting_by_due (destination=?)", "waiting USING COVERING INDEX waiting_by_age (destination=?)"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "db"), nil)
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := x.ask(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			var steps []string
			s.read.mu.Lock()
			queries := slices.Collect(maps.Keys(s.read.statements)) // the one just asked, and the sweeper's
			s.read.mu.Unlock()
			for _, query := range queries {
				steps = append(steps, plan(t, s.readDB, query)...)
			}
			for _, want := range x.want {
				if !slices.ContainsFunc(steps, func(step string) bool { return strings.HasPrefix(step, "SEARCH "+want) }) {
					t.Errorf("no step is %q among\n%s", want, strings.Join(steps, "\n"))
				}
			}
		})
	}
}

// migrated is the content of a new database, made once: migrations are tested by
// themselves, and cost more than most of what else a test does.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "migrated")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "db")
	s, err := Open(context.Background(), Config{Path: path})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	return content, errors.Join(err, os.RemoveAll(dir))
})

// open opens the database in a file, which is made when absent.
func open(t *testing.T, path string, sequence func() uint64) *Store {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		content, err := migrated()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), Config{Path: path, Sequence: sequence})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plan is how SQLite would answer a query. Values that the query does not name are
// ignored.
func plan(t *testing.T, db *sql.DB, query string) (steps []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, 32)...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
