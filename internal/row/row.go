// Package row reads the columns of a row type from its struct, once: the struct is the
// only declaration. The codec of results and the inserts into ClickHouse are derived from
// it, and the contract's test compares it with the tables.
//
// A column's name is the field's name in JSON, its meaning the field's description, as in
// the types of the API. The order of the fields is the order of the
// columns, for ever: a new one goes to the end.
//
// Fields are reached by their offset: a million rows a minute go through here, and
// reflection on each field of each of them would cost ten times as much.
package row

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unsafe"
)

// Kind is what a column holds.
type Kind uint8

// The kinds.
const (
	Text   Kind = iota + 1 // a string, of whatever type
	Small                  // an unsigned number of 16 bits
	Number                 // an unsigned number of 32 bits
	Moment                 // a time.Time
	Truth                  // a bool
)

// Column is one field of a row type.
type Column struct {
	// Name is the column's name.
	Name string
	// Kind is what it holds.
	Kind Kind
	// Doc is what it means, in words for whoever reads the table.
	Doc string

	offset uintptr
}

// Table is the columns of the row type R, in order. It is immutable.
type Table[R any] struct{ columns []Column }

var moment = reflect.TypeFor[time.Time]()

// Of reads the columns of a row type. Those of an embedded struct stand where it stands.
// It panics when a field has a type that no column holds, no name or no description: a
// mistake in the declaration, found when the program starts.
func Of[R any]() *Table[R] { return &Table[R]{columnsOf(reflect.TypeFor[R](), 0)} }

// columnsOf are those of a struct that lies at an offset of the row.
func columnsOf(t reflect.Type, at uintptr) (columns []Column) {
	for f := range t.Fields() {
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			columns = append(columns, columnsOf(f.Type, at+f.Offset)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		kind := kindOf(f.Type)
		doc := f.Tag.Get("description")
		if name == "" || kind == 0 || doc == "" {
			panic(fmt.Sprintf("%s.%s is no column: it needs a name in JSON, a description, and a type that a column holds", t, f.Name))
		}
		columns = append(columns, Column{
			Name:   name,
			Kind:   kind,
			Doc:    doc,
			offset: at + f.Offset,
		})
	}
	return columns
}

func kindOf(t reflect.Type) Kind {
	switch {
	case t == moment:
		return Moment
	case t.Kind() == reflect.String:
		return Text
	case t.Kind() == reflect.Uint16:
		return Small
	case t.Kind() == reflect.Uint32:
		return Number
	case t.Kind() == reflect.Bool:
		return Truth
	}
	return 0
}

// Columns are the table's, in order. They must not be changed.
func (t *Table[R]) Columns() []Column { return t.columns }

// Names are the columns' names, as an insert lists them.
func (t *Table[R]) Names() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// Ref is a row whose columns can be reached. It keeps the row alive.
type Ref unsafe.Pointer

// At makes a row reachable.
func At[R any](r *R) Ref { return Ref(r) }

// Text is the column of a row; its kind must be Text.
func (c *Column) Text(r Ref) *string { return (*string)(unsafe.Add(unsafe.Pointer(r), c.offset)) }

// Small is the column of a row; its kind must be Small.
func (c *Column) Small(r Ref) *uint16 { return (*uint16)(unsafe.Add(unsafe.Pointer(r), c.offset)) }

// Number is the column of a row; its kind must be Number.
func (c *Column) Number(r Ref) *uint32 { return (*uint32)(unsafe.Add(unsafe.Pointer(r), c.offset)) }

// Moment is the column of a row; its kind must be Moment.
func (c *Column) Moment(r Ref) *time.Time {
	return (*time.Time)(unsafe.Add(unsafe.Pointer(r), c.offset))
}

// Truth is the column of a row; its kind must be Truth.
func (c *Column) Truth(r Ref) *bool { return (*bool)(unsafe.Add(unsafe.Pointer(r), c.offset)) }
