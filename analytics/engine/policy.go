package engine

import (
	"strings"
	"time"
)

// What an analyst may use up. The engine enforces the first three; a query that needs
// more belongs on a ClickHouse server.
const (
	analystTime   = 60 * time.Second
	analystMemory = 1 << 30
	// analystWhole bounds, before it is written out, an answer that must be put together
	// in memory because its format has a head and a foot (JSON, Parquet). What it is
	// written out to is bounded by analystMemory.
	analystWhole = 64 << 20
)

// statement is what the engine's parser says of a text.
type statement struct {
	root      string // the outermost node, for example SelectWithUnionQuery
	format    string // of a FORMAT clause, or empty
	functions []string
	settings  bool // it has a SETTINGS clause somewhere
}

// parse asks for the syntax tree. The tree writes a literal on one line, whatever is in
// it; a forged line could add to what is found, and so have a query refused, and never
// take anything away.
func parse(c *conn, text string, params []param) (statement, error) {
	tree, err := c.text("EXPLAIN AST "+text, params...)
	if err != nil {
		return statement{}, err
	}
	var stmt statement
	var before string // the line before
	for line := range strings.Lines(tree) {
		node := strings.TrimLeft(line, " ")
		depth := len(line) - len(node)
		kind, rest, _ := strings.Cut(strings.TrimSpace(node), " ")
		name, _, _ := strings.Cut(rest, " ")
		switch {
		case stmt.root == "":
			stmt.root = kind
		case kind == "Function":
			stmt.functions = append(stmt.functions, name)
		case kind == "Identifier" && depth == 1:
			stmt.format = name
		case kind == "Set" && (depth != 1 || !strings.HasPrefix(before, "Explain ")): // EXPLAIN's own options come first in it
			stmt.settings = true
		}
		before = line
	}
	return stmt, nil
}

// whatIsWrong gives the parser's words about a text that is not to run: the engine runs
// what parses in front of what does not.
func whatIsWrong(c *conn, text string) error {
	if err := c.run("SELECT formatQuery(" + quoteText(text) + ")"); err != nil {
		return err
	}
	return refuse(codeSyntax, "SYNTAX_ERROR", "Syntax error: what follows the first statement cannot be read, and one request may hold one statement")
}

// readsOnly refuses what is more than one statement that leaves no trace.
func readsOnly(a analysis) error {
	switch {
	case a.statements > 1:
		return refuse(codeSyntax, "SYNTAX_ERROR", "Multi-statements are not allowed")
	case a.class != classReadOnly:
		return refuse(codeReadonly, "READONLY", "Cannot execute query in readonly mode: this user may only SELECT, SHOW, DESCRIBE, EXPLAIN and the like")
	}
	return nil
}

// allow decides whether an analyst may run a statement that only reads. It is known by its
// tree and its spelling, and both are looked at: each would be enough for most.
func (h *handler) allow(stmt statement, list []token, names []string) error {
	if stmt.settings || sets(list) {
		// The engine takes those of a subquery or a part of a UNION without a look at
		// readonly mode.
		return refuse(codeReadonly, "READONLY", "Cannot modify settings within a query in readonly mode: write one SETTINGS clause, at the end of the whole query, or give the settings in the address")
	}
	denied := func(function string) error {
		return refuse(codeAccessDenied, "ACCESS_DENIED", "Not enough privileges: function %s reaches outside the database (a column of that name is written with its table)", function)
	}
	for _, called := range stmt.functions {
		if h.forbidden[strings.ToLower(called)] {
			return denied(called)
		}
	}
	if called, found := h.reaches(list); found {
		return denied(called)
	}
	for _, name := range names {
		if h.forbidden[strings.ToLower(name)] || strings.ContainsAny(name, "\\`\"'") {
			return denied(name)
		}
	}
	return nil
}

// piecewise are the formats whose pieces can be put one after another: no head, no
// foot. Answers in them are streamed; the others are sent whole.
var piecewise = map[string]bool{
	"native": true, "rowbinary": true, "tabseparated": true, "tsv": true, "tabseparatedraw": true, "tsvraw": true, "raw": true,
	"csv": true, "jsoneachrow": true, "jsonlines": true, "ndjson": true, "jsoncompacteachrow": true, "jsonstringseachrow": true,
	"jsoncompactstringseachrow": true, "tskv": true, "null": true,
}
