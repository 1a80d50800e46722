package engine

import "strings"

// What follows reads ClickHouse's SQL as far as its lexer goes. It serves what makes life
// easier for clients, where a text that it reads wrongly is refused by the engine, or run
// as it stands; and it finds what is refused in a text that the engine has spelled.

// tokenKind is what a token is.
type tokenKind int

const (
	wordToken   tokenKind = iota // a keyword, or a name without quotes
	nameToken                    // a name in quotes
	textToken                    // a string
	numberToken                  // a number
	signToken                    // anything else, one byte long
)

// token is a piece of a text, between its offsets.
type token struct {
	kind       tokenKind
	start, end int
	text       string
}

// is compares with a keyword or a sign.
func (t token) is(word string) bool {
	return (t.kind == wordToken || t.kind == signToken) && strings.EqualFold(t.text, word)
}

// maxTags is how many strings between tags are looked for in a text: each search may go
// through the whole of it.
const maxTags = 100

// tokens cuts a text into its tokens, without white space and comments.
func tokens(text string) []token {
	tags := 0
	next := func(s string) (tokenKind, int) {
		if s[0] == '$' {
			if tags++; tags > maxTags {
				return signToken, 1
			}
		}
		return next(s)
	}
	return cut(text, blank, next)
}

// plainTokens cuts a text that the engine spelled. It has neither comments nor strings
// between tags: what looks like one hides nothing.
func plainTokens(text string) []token {
	space := func(s string) int {
		if white(s[0]) {
			return 1
		}
		return 0
	}
	plain := func(s string) (tokenKind, int) {
		if s[0] == '$' {
			return signToken, 1
		}
		return next(s)
	}
	return cut(text, space, plain)
}

// cut cuts a text, with what tells the length of white space and of a token.
func cut(text string, blank func(string) int, next func(string) (tokenKind, int)) []token {
	var list []token
	for at := 0; at < len(text); {
		if n := blank(text[at:]); n > 0 {
			at += n
			continue
		}
		kind, n := next(text[at:])
		list = append(list, token{kind: kind, start: at, end: at + n, text: text[at : at+n]})
		at += n
	}
	return list
}

// white is the white space of SQL.
func white(c byte) bool { return strings.IndexByte(" \t\n\r\v\f", c) >= 0 }

// blank is the length of the white space or comment that a text begins with.
func blank(s string) int {
	switch {
	case white(s[0]):
		return 1
	case strings.HasPrefix(s, "--"), strings.HasPrefix(s, "#!"), strings.HasPrefix(s, "# "):
		return until(s, "\n", 0)
	case strings.HasPrefix(s, "/*"):
		return until(s, "*/", 2)
	}
	return 0
}

// next is the token that a text begins with.
func next(s string) (tokenKind, int) {
	switch c := s[0]; {
	case c == '\'':
		return textToken, quoted(s)
	case c == '`' || c == '"':
		return nameToken, quoted(s)
	case letter(c):
		return wordToken, while(s, func(c byte) bool { return letter(c) || digit(c) || c == '$' })
	case digit(c):
		return numberToken, while(s, func(c byte) bool { return digit(c) || letter(c) || c == '.' })
	case c == '$':
		if n := heredoc(s); n > 0 {
			return textToken, n
		}
	}
	return signToken, 1
}

func letter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// while is the length of a text's beginning that consists of certain bytes.
func while(s string, of func(byte) bool) int {
	n := 1
	for n < len(s) && of(s[n]) {
		n++
	}
	return n
}

// until is the length of a text up to and with its end, or the whole of it.
func until(s, end string, from int) int {
	if i := strings.Index(s[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(s)
}

// quoted is the length of a text in quotes: a quote in it has a backslash before it or is
// written twice.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == s[0] && i+1 < len(s) && s[i+1] == s[0]:
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

// heredoc is the length of a string between two equal tags ($tag$…$tag$), or 0.
func heredoc(s string) int {
	n := 1
	for n < len(s) && (letter(s[n]) || digit(s[n])) {
		n++
	}
	if n == len(s) || s[n] != '$' {
		return 0
	}
	tag := s[:n+1]
	if !strings.Contains(s[len(tag):], tag) {
		return 0
	}
	return until(s, tag, len(tag))
}

// unquote gives the value of a string in single quotes.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '\'' {
		return s
	}
	s = strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\n`, "\n", `\t`, "\t").Replace(s)
}
