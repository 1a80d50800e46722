package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"chatbell/internal/row"
)

// relation is what a table or view is for, and what its columns mean. The comments in the
// database and docs/columns.md say the same: they are made from it.
type relation struct {
	name, about string
	columns     []meaning
}

type meaning struct{ column, doc string }

// relations are all that the database has.
func relations() []relation {
	count := meaning{"deliveries", "How many deliveries."}
	sum := meaning{"latency_ms_sum", "The sum of their latency_ms; divided by the accepted ones it is the mean."}
	most := meaning{"latency_ms_max", "The greatest of their latency_ms."}
	hourly := append([]meaning{{"hour", "The hour in which the events were accepted."}},
		described(deliveries, "network", "event_type", "target", "outcome", "level", "reason")...)
	block := meaning{"block", "For the recorder: which block of results was counted last in this row."}
	hourly = append(hourly, count, sum, most, block)
	return []relation{
		{"deliveries", "One row for each notification and target, written once, when its outcome is final.", described(deliveries)},
		{"attempts", "One row for each try.", described(attempts)},
		{"events", "One row for each accepted event, whether or not anybody was told.", described(events)},
		{"deliveries_hourly", "The roll-up of deliveries. Rows of one hour may lie apart until they are merged: ask for sum(deliveries), sum(latency_ms_sum), max(latency_ms_max) with GROUP BY.", hourly},
		{"notifications", "The deliveries with the columns of Centrifugo PRO's table of this name.", []meaning{
			{"uid", "The delivery_id."},
			{"provider", "The target."},
			{"type", "The event_type."},
			{"recipient", "The device_id."},
			{"device_id", "The device_id."},
			{"platform", "The platform."},
			{"user", "The user_id."},
			{"msg_id", "The provider_id."},
			{"status", "The outcome."},
			{"error_message", "The provider_reason."},
			{"error_code", "The reason."},
			{"time", "The finished_at, in whole seconds."},
		}},
		{"goose_db_version", "The migrations that were applied, kept by goose.", []meaning{
			{"version_id", "The migration's number."},
			{"is_applied", "1: it was applied."},
			{"date", "The day on which it was."},
			{"tstamp", "When it was."},
		}},
	}
}

// described are the meanings of some of a row's columns, or of all.
func described[R any](table *row.Table[R], only ...string) (out []meaning) {
	for _, c := range table.Columns() {
		if len(only) == 0 || slices.Contains(only, c.Name) {
			out = append(out, meaning{c.Name, c.Doc})
		}
	}
	return out
}

// comment makes the comments in the database those of this build. It costs two questions
// when they are. A server that does not let us is no reason to keep results waiting.
func (s *Store) comment(ctx context.Context) error {
	err := s.changeComments(ctx)
	var refused *ch.Exception
	if errors.As(err, &refused) {
		s.log.Warn("the columns in ClickHouse stay without their comments", "error", err)
		return nil
	}
	return err
}

func (s *Store) changeComments(ctx context.Context) error {
	have, err := s.comments(ctx)
	if err != nil {
		return err
	}
	for _, rel := range s.schema.relations {
		var changes []string
		for _, m := range rel.columns {
			if have[rel.name+"."+m.column] != m.doc {
				changes = append(changes, "COMMENT COLUMN "+m.column+" "+quote(m.doc))
			}
		}
		if have[rel.name] != rel.about {
			changes = append(changes, "MODIFY COMMENT "+quote(rel.about))
		}
		if changes == nil {
			continue
		}
		if err := s.conn.Exec(ctx, s.name("ALTER TABLE {db}."+rel.name+" "+strings.Join(changes, ", "))); err != nil {
			return fmt.Errorf("comment on %s: %w", rel.name, unanswered(err))
		}
	}
	return nil
}

// comments are those in the database, by table and by table.column.
func (s *Store) comments(ctx context.Context) (map[string]string, error) {
	rows, err := s.conn.Query(ctx, `SELECT table || '.' || name, comment FROM system.columns WHERE database = ?
		UNION ALL SELECT name, comment FROM system.tables WHERE database = ?`, s.database, s.database)
	if err != nil {
		return nil, fmt.Errorf("read the comments: %w", unanswered(err))
	}
	out := map[string]string{}
	for rows.Next() {
		var name, comment string
		if err := rows.Scan(&name, &comment); err != nil {
			return nil, errors.Join(fmt.Errorf("read the comments: %w", unanswered(err)), rows.Close())
		}
		out[name] = comment
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// quote makes a literal of a text.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
