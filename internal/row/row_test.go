package row_test

import (
	"strings"
	"testing"
	"time"

	"chatbell/internal/row"
)

type color string

// sample has a column of each kind, and one more: that is all there is to say to add it.
type sample struct {
	Name  string    `json:"name" description:"x"`
	Color color     `json:"color,omitempty" description:"x"`
	Port  uint16    `json:"port" description:"x"`
	Tries uint32    `json:"tries" description:"x"`
	At    time.Time `json:"at" description:"x"`
	Done  bool      `json:"done" description:"x"`
}

// Every column reads and writes its own field, whatever named type it has.
func TestColumns(t *testing.T) {
	table := row.Of[sample]()
	if got, want := table.Names(), "name, color, port, tries, at, done"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	at := time.Unix(1, 2)
	var s sample
	ref := row.At(&s)
	for i := range table.Columns() {
		c := &table.Columns()[i]
		switch c.Kind {
		case row.Text:
			*c.Text(ref) = c.Name
		case row.Small:
			*c.Small(ref) = 8080
		case row.Number:
			*c.Number(ref) = 7
		case row.Moment:
			*c.Moment(ref) = at
		case row.Truth:
			*c.Truth(ref) = true
		}
	}
	if got := table.Columns()[1].Doc; got != "x" {
		t.Errorf("the column's meaning is %q", got)
	}
	if want := (sample{"name", "color", 8080, 7, at, true}); s != want {
		t.Errorf("row %+v, want %+v", s, want)
	}
}

// A field that no column can hold, or that nobody describes, is found when the program
// starts.
func TestWrongField(t *testing.T) {
	for name, read := range map[string]func(){
		"a type that no column holds": func() {
			row.Of[struct {
				Bad float64 `json:"bad" description:"x"`
			}]()
		},
		"no name": func() {
			row.Of[struct {
				Bad string `description:"x"`
			}]()
		},
		"no description": func() {
			row.Of[struct {
				Bad string `json:"bad"`
			}]()
		},
	} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(r.(string), "Bad") {
					t.Errorf("%s was not told: %v", name, r)
				}
			}()
			read()
		}()
	}
}

// The columns of an embedded struct stand where it stands, and are reached there.
func TestEmbedded(t *testing.T) {
	type wider struct {
		First uint32 `json:"first" description:"x"`
		sample
		Last uint16 `json:"last" description:"x"`
	}
	table := row.Of[wider]()
	if got, want := table.Names(), "first, name, color, port, tries, at, done, last"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	w := wider{sample: sample{Port: 8080}}
	*table.Columns()[7].Small(row.At(&w)) = 9
	if got := *table.Columns()[3].Small(row.At(&w)); got != 8080 || w.Last != 9 {
		t.Errorf("port %d, and last %d", got, w.Last)
	}
}
