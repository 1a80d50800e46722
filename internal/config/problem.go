package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration, or odd about it.
type Problem struct {
	// Key is where: networks[0].apns[0].key_file.
	Key string `json:"key,omitempty"`
	// File and Line are the place in the file, from 1; empty for what is not of it.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Source is the environment variable or the flag that gave the value.
	Source string `json:"source,omitempty"`
	// Value is what was given; empty where it could be a secret.
	Value string `json:"value,omitempty"`
	// Detail is what is wrong, or what would be right.
	Detail string `json:"detail"`
	// Mend is what to do.
	Mend string `json:"mend,omitempty"`
}

// String is the problem in one line: place, key, what is wrong, value, mend.
func (p Problem) String() string {
	var out strings.Builder
	switch {
	case p.Line > 0:
		out.WriteString(p.File + ":" + strconv.Itoa(p.Line) + ": ")
	case p.File != "":
		out.WriteString(p.File + ": ")
	case p.Source != "":
		out.WriteString(p.Source + ": ")
	}
	if p.Key != "" {
		out.WriteString(p.Key + ": ")
	}
	switch {
	case p.Value == "":
		out.WriteString(p.Detail)
	case strings.HasPrefix(p.Detail, "must"):
		fmt.Fprintf(&out, "%s, not %q", p.Detail, p.Value)
	default:
		fmt.Fprintf(&out, "%q %s", p.Value, p.Detail)
	}
	if p.Mend != "" {
		out.WriteString("; " + p.Mend)
	}
	return out.String()
}

// Error is everything that is wrong with a configuration.
type Error struct {
	Problems []Problem
	// More is how many problems are not listed.
	More int
}

// Error lists the problems, a line each.
func (e *Error) Error() string {
	if len(e.Problems) == 1 && e.More == 0 {
		return "configuration: " + e.Problems[0].String()
	}
	var out strings.Builder
	fmt.Fprintf(&out, "configuration: %d problems", len(e.Problems)+e.More)
	for _, p := range e.Problems {
		out.WriteString("\n  " + p.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&out, "\n  and %d more", e.More)
	}
	return out.String()
}

// AsError finds the problems in what [Load] returned.
func AsError(err error) (*Error, bool) {
	var all *Error
	return all, errors.As(err, &all)
}

// origin is where a value was given.
type origin struct {
	file   string
	line   int
	source string // environment variable or flag
	value  string // what was written, where that may be shown
}

// maxProblems bounds what is listed: nobody mends more than this before trying again.
const maxProblems = 100

// maxCounted bounds what is counted besides.
const maxCounted = 10_000

// Problems collects what is wrong, with the place where each key was given.
type Problems struct {
	list    []Problem
	more    int
	bad     map[string]bool
	origins map[string]origin
}

func newProblems() *Problems {
	return &Problems{bad: map[string]bool{}, origins: map[string]origin{}}
}

// Has reports whether something is wrong with a key already: what depends on its value
// cannot be judged.
func (p *Problems) Has(key string) bool { return p.bad[key] }

// Add tells what is wrong with a key's value. What is wrong with a key is told once:
// the first problem is the cause of the others.
func (p *Problems) Add(key, detail, mend string) {
	p.add(p.place(key), key, detail, mend)
}

// Given reports whether somebody wrote the key: it is not just a default.
func (p *Problems) Given(key string) bool {
	_, ok := p.origins[key]
	return ok
}

func (p *Problems) add(place origin, key, detail, mend string) {
	if p.bad[key] {
		return
	}
	p.bad[key] = true
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, problemAt(place, key, detail, mend))
}

func problemAt(at origin, key, detail, mend string) Problem {
	return Problem{
		Key:    key,
		File:   at.file,
		Line:   at.line,
		Source: at.source,
		Value:  showable(at.value),
		Detail: detail,
		Mend:   mend,
	}
}

// lastPart is what has to go from a key to name what it lies in.
var lastPart = regexp.MustCompile(`(\.[^.\[\]]*|\[[0-9]+\])$`)

// place is where a key was given, or else what it would lie in.
func (p *Problems) place(key string) origin {
	if found, ok := p.origins[key]; ok {
		return found
	}
	for {
		outer := lastPart.ReplaceAllString(key, "")
		if outer == key {
			return origin{}
		}
		key = outer
		if at, ok := p.origins[key]; ok {
			at.value = ""
			return at
		}
	}
}

// showable cuts a value for a line of text; an address in it loses what is secret.
func showable(value string) string {
	if strings.Contains(value, "://") {
		if u, err := url.Parse(value); err != nil || u.User != nil || u.RawQuery != "" {
			value = redactURL(value, nil)
		}
	}
	const most = 80
	if cut := []rune(value); len(cut) > most {
		return string(cut[:most]) + "…"
	}
	return value
}

// err is what was collected, in the order of the file; nil when nothing is wrong.
func (p *Problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	list := slices.Clone(p.list)
	slices.SortStableFunc(list, func(a, b Problem) int {
		switch {
		case a.Line > 0 && b.Line > 0:
			return a.Line - b.Line
		case a.Line > 0:
			return -1
		case b.Line > 0:
			return 1
		}
		return 0
	})
	return &Error{Problems: list, More: p.more}
}
