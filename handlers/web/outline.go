package web

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"chatbell"
)

// maxDepth bounds the nesting of a body. encoding/json stops at 10,000, but what is
// taken in is wrapped before it is stored, and must still be readable then.
const maxDepth = 100

// level is an object or array that is open while JSON is walked.
type level struct {
	array bool
	index int    // of the element, in an array
	name  []byte // of the member as it is written, quotes included, in an object
	// opaque is for customers' own data: what it says twice is none of our business.
	opaque bool
	names  [][]byte        // seen so far, while they are few
	many   map[string]bool // and when they are not
}

// walk goes through valid JSON. It calls value with the offset of each value and the
// levels around it, and name after each member's name; either stops it with false.
func walk(raw []byte, value func(at int, around []level) bool, name func(around []level) bool) {
	around := make([]level, 0, 8)
	named := false // the innermost object has its member's name already
	for i := 0; i < len(raw); {
		switch char := raw[i]; char {
		case ' ', '\t', '\r', '\n', ':':
			i++
		case ',':
			named = false
			around[len(around)-1].index++
			i++
		case '}', ']':
			around = around[:len(around)-1]
			i++
		case '{', '[':
			if !value(i, around) {
				return
			}
			around = entered(around, char == '[')
			named = false
			i++
		default:
			end := scalarEnd(raw, i)
			if n := len(around); n > 0 && !around[n-1].array && !named {
				named = true
				around[n-1].name = raw[i:end]
				if !name(around) {
					return
				}
			} else if !value(i, around) {
				return
			}
			i = end
		}
	}
}

// entered opens a level in the place of one that was closed, whose room for names it
// takes over: every event comes through here.
func entered(around []level, array bool) []level {
	n := len(around)
	lvl := level{array: array}
	if n > 0 {
		lvl.opaque = around[n-1].opaque || string(around[n-1].name) == `"data"`
	}
	if n < cap(around) {
		lvl.names = around[:n+1][n].names[:0]
	}
	return append(around, lvl)
}

// scalarEnd is where the string, number or word that starts at i ends.
func scalarEnd(raw []byte, i int) int {
	if raw[i] != '"' {
		n := bytes.IndexAny(raw[i:], ",]} \t\r\n")
		if n < 0 {
			return len(raw)
		}
		return i + n
	}
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// repeats notes the member's name and reports whether the object had it before. Names
// are compared as encoding/json matches them, without case.
func (l *level) repeats() bool {
	const few = 16
	name := l.name
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte(unquote(name))
	} else {
		name = name[1 : len(name)-1]
	}
	if l.many == nil {
		if slices.ContainsFunc(l.names, func(n []byte) bool { return bytes.EqualFold(n, name) }) {
			return true
		}
		if l.names = append(l.names, name); len(l.names) <= few {
			return false
		}
		l.many = make(map[string]bool, 2*few)
		for _, n := range l.names {
			l.many[strings.ToLower(string(n))] = true
		}
		return false
	}
	key := strings.ToLower(string(name))
	seen := l.many[key]
	l.many[key] = true
	return seen
}

func unquote(name []byte) string {
	var text string
	if json.Unmarshal(name, &text) != nil {
		return string(name) // cannot be: the JSON is valid
	}
	return text
}

// pointer is the RFC 6901 pointer of what is being read in the innermost level.
func pointer(around []level) string {
	var out strings.Builder
	for i := range around {
		if around[i].array {
			out.WriteString("/" + strconv.Itoa(around[i].index))
		} else {
			out.WriteString(Escaped(unquote(around[i].name)))
		}
	}
	return out.String()
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// Escaped is one step of a pointer.
func Escaped(name string) string { return "/" + pointerEscapes.Replace(name) }

// pointerAt is the pointer of the value that a decoder had begun when it stopped after
// so many bytes.
func pointerAt(raw []byte, offset int64) (found string) {
	walk(raw, func(at int, around []level) bool {
		if int64(at) >= offset {
			return false
		}
		found = pointer(around)
		return true
	}, func([]level) bool { return true })
	return found
}

// CheckOutline refuses valid JSON that could not be stored or that says a thing twice:
// the decoder would mix the two.
func CheckOutline(raw []byte) []chatbell.FieldError {
	var errs []chatbell.FieldError
	walk(raw, func(_ int, around []level) bool {
		if len(around) > maxDepth {
			errs = append(errs, Field(pointer(around[:1]), "is nested more than %d levels deep", maxDepth))
		}
		return len(errs) == 0
	}, func(around []level) bool {
		in := &around[len(around)-1]
		if !in.opaque && in.repeats() {
			errs = append(errs, Field(pointer(around), "is given twice"))
		}
		return len(errs) == 0
	})
	return errs
}
