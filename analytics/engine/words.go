package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

const (
	// maxLine cuts lines that do not end.
	maxLine = 16 << 10
	// What is kept of a child's words: enough for an exception or the head of a crash.
	keptLines = 6
	keptLine  = 600
)

// lastWords are the last lines that a child printed, or the first ones of its crash:
// what follows those are stacks and registers.
type lastWords struct {
	mu      sync.Mutex
	lines   []string
	crashed bool
}

// crashes are how Go's runtime, and the C++ one, begin to tell of their end.
var crashes = []string{"fatal error: ", "panic: ", "SIG", "runtime: ", "unexpected fault address", "terminate called"}

func (w *lastWords) add(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	line = line[:min(len(line), keptLine)]
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, start := range crashes {
		if !w.crashed && strings.HasPrefix(line, start) {
			w.crashed = true
			w.lines = nil
		}
	}
	switch {
	case len(w.lines) < keptLines:
		w.lines = append(w.lines, line)
	case !w.crashed:
		w.lines = append(w.lines[1:], line)
	}
}

// except are the words without those lines that only repeat what is known.
func (w *lastWords) except(known string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, line := range w.lines {
		if known == "" || !strings.Contains(line, known) {
			out = append(out, line)
		}
	}
	return strings.ToValidUTF8(strings.Join(out, " | "), "?")
}

// said introduces the words, or says that there are none.
func (w *lastWords) said(none string) string {
	if words := w.except(""); words != "" {
		return "saying: " + words
	}
	return none
}

// lineLog logs what the child prints, a line at a time. Only os/exec writes to it, from
// one goroutine a stream.
type lineLog struct {
	log    *slog.Logger
	stream string
	words  *lastWords
	rest   []byte
}

func (l *lineLog) Write(data []byte) (int, error) {
	l.rest = append(l.rest, data...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		switch {
		case i >= 0:
			l.line(l.rest[:i])
			l.rest = l.rest[i+1:]
		case len(l.rest) >= maxLine:
			l.line(l.rest[:maxLine])
			l.rest = l.rest[maxLine:]
		default:
			return len(data), nil
		}
	}
}

// flush logs what is left when the child is gone.
func (l *lineLog) flush() {
	if len(l.rest) > 0 {
		l.line(l.rest)
	}
	l.rest = nil
}

func (l *lineLog) line(text []byte) {
	l.log.Warn("ClickHouse engine: "+string(text), "stream", l.stream)
	l.words.add(string(text))
}
