package engine

import (
	"strings"
)

// spelled asks the engine for a text in its own spelling: without comments, each name as it
// is, each call with its bracket behind the name. The syntax tree leaves out what stands
// within some of its nodes (APPLY, the WHERE of SHOW TABLES); the spelling leaves out
// nothing, because servers send it to each other.
func spelled(link *conn, text string) ([]token, error) {
	escaped := strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`).Replace(text)
	plain, err := link.text("SELECT formatQuerySingleLine({text:String})", param{"text", escaped})
	if err != nil {
		return nil, err
	}
	list := plainTokens(plain)
	if len(list) == 0 { // never; what cannot be looked at does not run
		return nil, whatIsWrong(link, text)
	}
	return list, nil
}

// argumentless are refused functions whose names are columns' too. They take no argument,
// so that naming one where a function is wanted leads to nothing.
var argumentless = words("user hostname tid displayName")

// reaches finds a refused function in a spelled statement: one that is called, or named
// where a function is wanted (arrayMap(file, …), APPLY file). As a column or an alias such a
// name stands with its table, or behind AS.
func (h *handler) reaches(list []token) (name string, found bool) {
	for i, tok := range list {
		if tok.kind != wordToken && tok.kind != nameToken {
			continue
		}
		name := strings.Trim(tok.text, "`\"")
		lower := strings.ToLower(name)
		called := follows(list, i, "(")
		beside := called || i > 0 && (list[i-1].is(".") || list[i-1].is("AS")) || follows(list, i, ".")
		if called && h.forbidden[lower] || !beside && h.byName[lower] {
			return name, true
		}
	}
	return "", false
}

// follows says whether a sign follows a token.
func follows(list []token, i int, sign string) bool { return i+1 < len(list) && list[i+1].is(sign) }

// sets says whether a spelled statement has a SETTINGS clause.
func sets(list []token) bool {
	for i, tok := range list {
		if tok.is("SETTINGS") && i+2 < len(list) && (list[i+1].kind == wordToken || list[i+1].kind == nameToken) && list[i+2].is("=") && (i == 0 || !list[i-1].is(".")) {
			return true
		}
	}
	return false
}

// identifiers are the parameters that a spelled statement takes names from.
func identifiers(list []token, params []param) (values []string) {
	for i := range list {
		if !list[i].is("{") || i+4 >= len(list) || !list[i+2].is(":") || !list[i+3].is("Identifier") {
			continue
		}
		for _, p := range params {
			if p.name == list[i+1].text {
				values = append(values, p.value)
			}
		}
	}
	return values
}

// look decides, before an analyst's statement runs, whether it may. It asks on a connection
// of its own, which has none of the asker's settings: those could cut short what the engine
// tells.
func (h *handler) look(req *request, kind analysis) (statement, error) {
	args, err := h.analystArguments(nil, nil)
	if err != nil {
		return statement{}, err
	}
	link, err := h.connect(&request{
		who:      analyst,
		mark:     req.mark,
		work:     req.work,
		database: database,
		args:     args,
	})
	if err != nil {
		return statement{}, err
	}
	defer link.close()
	if kind.class == classUnknown {
		return statement{}, whatIsWrong(link, req.text)
	}
	if err := readsOnly(kind); err != nil {
		return statement{}, err
	}
	stmt, err := parse(link, req.text, req.params)
	if err != nil {
		return statement{}, err
	}
	list, err := spelled(link, req.text)
	if err != nil {
		return statement{}, err
	}
	return stmt, h.allow(stmt, list, identifiers(list, req.params))
}
