package engine

import (
	"slices"
	"strings"
)

// The engine has one user, "default", on a machine that is nobody's business, and takes
// no setting from who may only read. rewritten makes of an analyst's text the one that
// gives the answers of a server with users: that the functions for the user's and the
// server's name tell the ones that the client knows, and that SHOW GRANTS tells what this
// analyst may do.
func (h *handler) rewritten(text string) string {
	list := tokens(text)
	if end := showGrants(list, h.auth.analystUser); end > 0 {
		return h.grantsQuery() + text[end:]
	}
	var out strings.Builder
	done := 0
	names := h.names()
	for i, tok := range list {
		if tok.kind != wordToken {
			continue
		}
		name, known := names[strings.ToLower(tok.text)]
		if !known || i+2 >= len(list) || !list[i+1].is("(") || !list[i+2].is(")") || i > 0 && list[i-1].is(".") {
			continue
		}
		out.WriteString(text[done:tok.start])
		// The column keeps the name that it has with a server.
		out.WriteString("(" + quoteText(name) + " AS " + quoteName(tok.text+"()") + ")")
		done = list[i+2].end
	}
	return out.String() + text[done:]
}

// names are the functions that tell who and where, in lower case.
func (h *handler) names() map[string]string {
	user := h.auth.analystUser
	return map[string]string{
		"currentuser": user, "current_user": user, "user": user, "session_user": user, "authenticateduser": user, "authuser": user,
		"hostname": displayName, "displayname": displayName, "fqdn": displayName, "fullhostname": displayName,
	}
}

// showGrants is the end of a text's SHOW GRANTS for the analyst, or 0.
func showGrants(list []token, user string) int {
	if len(list) < 2 || !list[0].is("SHOW") || !list[1].is("GRANTS") {
		return 0
	}
	if len(list) < 4 || !list[2].is("FOR") {
		return list[1].end
	}
	if who := list[3]; who.is("CURRENT_USER") || strings.Trim(who.text, "`\"") == user {
		return who.end
	}
	return 0
}

// grantsQuery asks for what the analyst may do, a line a grant.
func (h *handler) grantsQuery() string {
	lines := make([]string, 0, len(systemTables)+3)
	for _, grant := range analystGrants() {
		lines = append(lines, quoteText("GRANT "+grant+" TO "+quoteUser(h.auth.analystUser)))
	}
	return "SELECT arrayJoin([" + strings.Join(lines, ", ") + "]) AS GRANTS"
}

// quoteUser writes a user's name as ClickHouse does: in quotes where it needs them.
func quoteUser(name string) string {
	if list := tokens(name); len(list) == 1 && list[0].kind == wordToken {
		return name
	}
	return quoteName(name)
}

// lifted takes the last SETTINGS clause, the one of the whole statement, out of a text:
// its settings are given to the connection, after the same look at each as at those in
// the address. A clause that is not understood stays, and the engine refuses it.
func lifted(text string) (rest string, set map[string]string) {
	list := tokens(text)
	for len(list) > 0 && list[len(list)-1].is(";") {
		list = list[:len(list)-1]
	}
	depth := 0
	for i, word := range slices.Backward(list) {
		switch {
		case word.is(")"):
			depth++
		case word.is("("):
			depth--
		case depth == 0 && word.is("SETTINGS"):
			set, end := assignments(list[i+1:])
			if tail := list[i+1+end:]; set == nil || !onlyFormat(tail) {
				return text, nil
			}
			return text[:word.start] + text[list[i+end].end:], set
		}
	}
	return text, nil
}

// onlyFormat says whether nothing or FORMAT with a name is left.
func onlyFormat(list []token) bool {
	return len(list) == 0 || len(list) == 2 && list[0].is("FORMAT") && list[1].kind == wordToken
}

// assignments reads name = value, … from the beginning of a list, and says how many
// tokens that were. It is nil when there is anything else.
func assignments(list []token) (set map[string]string, used int) {
	set = map[string]string{}
	for {
		rest := list[used:]
		if len(rest) < 3 || rest[0].kind != wordToken || !rest[1].is("=") {
			return nil, 0
		}
		sign := ""
		if rest[2].is("-") && len(rest) > 3 {
			sign = "-"
			rest = append(rest[:2:2], rest[3:]...)
			used++
		}
		value := rest[2]
		if value.kind == signToken || value.kind == nameToken {
			return nil, 0
		}
		set[rest[0].text] = sign + boolean(unquote(value.text))
		used += 3
		if len(list) == used || !list[used].is(",") {
			return set, used
		}
		used++
	}
}

// boolean writes true and false as the engine's arguments want them.
func boolean(text string) string {
	switch strings.ToLower(text) {
	case "true":
		return "1"
	case "false":
		return "0"
	}
	return text
}
