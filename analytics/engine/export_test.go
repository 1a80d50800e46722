package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// The questions of which [Lists] wants the answers.
const (
	FunctionsQuery      = functionsQuery
	TableFunctionsQuery = tableFunctionsQuery
)

// Lists are what docs/clickhouse.md lists, by the names there, of an engine with some
// functions.
func Lists(functions, tableFunctions string) map[string][]string {
	closed := words(strings.Join(closedTables(tableFunctions), " "))
	var tables []string
	for name := range strings.FieldsSeq(tableFunctions) {
		if !closed[strings.ToLower(name)] {
			tables = append(tables, name)
		}
	}
	refused := closedFunctions(functions)
	for _, names := range [][]string{tables, refused} { // the engine has no order
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
		})
	}
	return map[string][]string{
		"system tables": systemTables, "refused functions": refused, "table functions": tables,
		"bounded settings": slices.Sorted(maps.Keys(bounded())), "settings": slices.Sorted(maps.Keys(tunable)),
	}
}

// Beats counts the heartbeats that were heard of the child.
func (s *Supervisor) Beats() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beats
}
