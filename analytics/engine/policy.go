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
}

// parse asks for the syntax tree. A line forged by a literal with a line break in it
// can add a function to the list, and so have a query refused; it cannot take one away.
func parse(c *conn, text string, params []param) (statement, error) {
	tree, err := c.text("EXPLAIN AST "+text, params...)
	if err != nil {
		return statement{}, err
	}
	var s statement
	for line := range strings.Lines(tree) {
		node := strings.TrimLeft(line, " ")
		depth := len(line) - len(node)
		kind, rest, _ := strings.Cut(strings.TrimSpace(node), " ")
		name, _, _ := strings.Cut(rest, " ")
		switch {
		case s.root == "":
			s.root = kind
		case kind == "Function":
			s.functions = append(s.functions, name)
		case kind == "Identifier" && depth == 1:
			s.format = name
		}
	}
	return s, nil
}

// whatIsWrong gives the parser's words about a text that is not to run: the engine runs
// what parses in front of what does not.
func whatIsWrong(c *conn, text string) error {
	if err := c.run("SELECT formatQuery(" + quoteText(text) + ")"); err != nil {
		return err
	}
	return refuse(codeSyntax, "SYNTAX_ERROR", "Syntax error: what follows the first statement cannot be read, and one request may hold one statement")
}

// allow decides whether an analyst may run a text. It must have passed the engine's
// parser as one statement that leaves no trace.
func (h *handler) allow(a analysis, s statement) error {
	switch {
	case a.statements > 1:
		return refuse(codeSyntax, "SYNTAX_ERROR", "Multi-statements are not allowed")
	case a.class != classReadOnly:
		return refuse(codeReadonly, "READONLY", "Cannot execute query in readonly mode: this user may only SELECT, SHOW, DESCRIBE, EXPLAIN and the like")
	}
	for _, f := range s.functions {
		if h.forbidden[strings.ToLower(f)] {
			return refuse(codeAccessDenied, "ACCESS_DENIED", "Not enough privileges: function %s reaches outside the database", f)
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
