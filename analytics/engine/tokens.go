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
	next := func(value string) (tokenKind, int) {
		if value[0] == '$' {
			if tags++; tags > maxTags {
				return signToken, 1
			}
		}
		return next(value)
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
	for pos := 0; pos < len(text); {
		if n := blank(text[pos:]); n > 0 {
			pos += n
			continue
		}
		kind, n := next(text[pos:])
		list = append(list, token{kind: kind, start: pos, end: pos + n, text: text[pos : pos+n]})
		pos += n
	}
	return list
}

// white is the white space of SQL.
func white(c byte) bool { return strings.IndexByte(" \t\n\r\v\f", c) >= 0 }

// blank is the length of the white space or comment that a text begins with.
func blank(text string) int {
	switch {
	case white(text[0]):
		return 1
	case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "#!"), strings.HasPrefix(text, "# "):
		return until(text, "\n", 0)
	case strings.HasPrefix(text, "/*"):
		return until(text, "*/", 2)
	}
	return 0
}

// next is the token that a text begins with.
func next(text string) (tokenKind, int) {
	switch char := text[0]; {
	case char == '\'':
		return textToken, quoted(text)
	case char == '`' || char == '"':
		return nameToken, quoted(text)
	case letter(char):
		return wordToken, while(text, func(c byte) bool { return letter(c) || digit(c) || c == '$' })
	case digit(char):
		return numberToken, while(text, func(c byte) bool { return digit(c) || letter(c) || c == '.' })
	case char == '$':
		if n := heredoc(text); n > 0 {
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
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == text[0] && i+1 < len(text) && text[i+1] == text[0]:
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return len(text)
}

// heredoc is the length of a string between two equal tags ($tag$…$tag$), or 0.
func heredoc(text string) int {
	n := 1
	for n < len(text) && (letter(text[n]) || digit(text[n])) {
		n++
	}
	if n == len(text) || text[n] != '$' {
		return 0
	}
	tag := text[:n+1]
	if !strings.Contains(text[len(tag):], tag) {
		return 0
	}
	return until(text, tag, len(tag))
}

// unquote gives the value of a string in single quotes.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '\'' {
		return s
	}
	s = strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\n`, "\n", `\t`, "\t").Replace(s)
}
