package clickhouse_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// part is what an insert has left in a table: a folder, and a line that notes its token.
type part struct{ folder, notes string }

// lose is a kill before the part was put in its place.
func (p part) lose(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(p.folder); err != nil {
		t.Fatal(err)
	}
}

// forget is a kill before the token was noted.
func (p part) forget(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile(p.notes)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) < 2 || !strings.Contains(lines[len(lines)-1], filepath.Base(p.folder)) {
		t.Fatalf("%s: the last line does not note %s: %q", p.notes, p.folder, data)
	}
	if err := os.WriteFile(p.notes, []byte(strings.Join(lines[:len(lines)-1], "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// undo is a kill before the insert was begun.
func (p part) undo(t *testing.T) {
	t.Helper()
	p.forget(t)
	p.lose(t)
}

// newest are the newest parts of the tables of the test's database.
func newest(t *testing.T, e *clickhousetest.Engine, dir string) map[string]part {
	t.Helper()
	parts := map[string]part{}
	for line := range strings.SplitSeq(e.Query("SELECT table, argMax(path, max_block_number) FROM system.parts WHERE database = '{db}' AND active GROUP BY table"), "\n") {
		table, folder, _ := strings.Cut(line, "\t")
		folder = filepath.Join(dir, folder)
		notes, err := filepath.Glob(filepath.Join(filepath.Dir(folder), "deduplication_logs", "*.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if len(notes) == 1 {
			parts[table] = part{folder, notes[0]}
		}
	}
	if len(parts) != 4 {
		t.Fatalf("%d tables note tokens: %v", len(parts), parts)
	}
	return parts
}

// broken are the states in which a kill of the engine can leave an insert of a block: of
// the roll-up, the deliveries and the others, in this order, each was written or not, and
// at the one where it ended either of part and note may be missing. Some versions of the
// engine note the token first, and others write the part first.
var broken = map[string]func(t *testing.T, p map[string]part){
	"nothing was written": func(t *testing.T, p map[string]part) {
		for _, part := range p {
			part.undo(t)
		}
	},
	"the roll-up was noted only": func(t *testing.T, p map[string]part) {
		p["deliveries_hourly"].lose(t)
		p["deliveries"].undo(t)
	},
	"the roll-up was written only": func(t *testing.T, p map[string]part) {
		p["deliveries_hourly"].forget(t)
		p["deliveries"].undo(t)
	},
	"the roll-up was finished": func(t *testing.T, p map[string]part) { p["deliveries"].undo(t) },
	"deliveries were noted only": func(t *testing.T, p map[string]part) {
		p["deliveries"].lose(t)
		p["attempts"].undo(t)
	},
	"deliveries were written only": func(t *testing.T, p map[string]part) {
		p["deliveries"].forget(t)
		p["attempts"].undo(t)
	},
	"attempts were noted only":   func(t *testing.T, p map[string]part) { p["attempts"].lose(t) },
	"attempts were written only": func(t *testing.T, p map[string]part) { p["attempts"].forget(t) },
	"events were noted only":     func(t *testing.T, p map[string]part) { p["events"].lose(t) },
	"events were written only":   func(t *testing.T, p map[string]part) { p["events"].forget(t) },
	"everything was finished":    func(*testing.T, map[string]part) {},
}

// Wherever an insert was cut off, its repeat completes it, and so does that of the repeat:
// each row is there once, and counted once. So it is when some of the rows were left out,
// because they are known by now.
func TestRepeatAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := clickhousetest.StartIn(t, dir)
	e.Query("SYSTEM STOP MERGES") // a part is that of one insert
	databases := map[string]string{}
	for name := range broken {
		databases[name] = fmt.Sprint("killed_", len(databases))
	}
	on := func(name string) *clickhousetest.Engine { return e.In(databases[name]) }
	parts := map[string]map[string]part{}
	for name := range broken {
		s := open(t, on(name))
		for _, block := range [][2]int{{0, 5}, {5, 2}} {
			if err := s.Insert(t.Context(), fmt.Sprint(block), rows(block[0], block[1])); err != nil {
				t.Fatal(err)
			}
		}
		parts[name] = newest(t, on(name), dir)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for name, damage := range broken {
		damage(t, parts[name])
	}
	e = clickhousetest.StartIn(t, dir)
	for name := range broken {
		s := open(t, on(name))
		block := rows(5, 2)
		for range 3 {
			if err := s.Repeat(t.Context(), fmt.Sprint([2]int{5, 2}), block); err != nil {
				t.Fatal(err)
			}
			block = rows(5, 2)
			block.Deliveries = slices.Delete(block.Deliveries, 0, 1)
		}
		e := on(name)
		same(t, e, "SELECT '"+name+"', * FROM ("+counts+")", name+"\t7\t7\t7\t7\t21")
		if err := s.Insert(t.Context(), "next", rows(7, 1)); err != nil {
			t.Fatal(err)
		}
		same(t, e, "SELECT '"+name+"', * FROM ("+counts+")", name+"\t8\t8\t8\t8\t28")
	}
}
