package centrifugo

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// legacyCommand is a command at the endpoint for all methods.
type legacyCommand struct {
	ID     uint32          `json:"id"`
	Method legacyMethod    `json:"method"`
	Params json.RawMessage `json:"params"`
}

// legacyReply is its reply, on a line of its own.
type legacyReply struct {
	ID uint32 `json:"id,omitempty"`
	response
}

// legacyMethod is a method by its name, in whatever case, or by its number.
type legacyMethod struct {
	name string
	enum int
}

var errNoMethod = errors.New("there is no such method")

// UnmarshalJSON implements json.Unmarshaler.
func (m *legacyMethod) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '"' {
		return json.Unmarshal(data, &m.enum)
	}
	if err := json.Unmarshal(data, &m.name); err != nil {
		return err
	}
	m.name = strings.ToLower(m.name)
	if _, known := byName[m.name]; !known && !isOlder(m.name) {
		return errNoMethod
	}
	return nil
}

// serveLegacy does the commands of a stream, one after another. Nothing is done unless all
// of them can be read.
func (a *api) serveLegacy(w *answer, r *http.Request, c *call, body []byte) {
	commands, ok := readLegacy(body)
	if !ok {
		w.fail(http.StatusBadRequest)
		return
	}
	c.older = true
	var out bytes.Buffer
	for i := range commands {
		reply := legacyReply{ID: commands[i].ID}
		one := commands[i].command()
		if one.failed != nil {
			reply.Error = asError(one.failed)
		} else {
			reply.Result, reply.Error = a.run(r.Context(), c, one.method, one.params)
		}
		line, err := json.Marshal(reply)
		if err != nil {
			panic("encode an answer: " + err.Error()) // our own types only: a programming error
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	w.bytes(http.StatusOK, out.Bytes())
}

// readLegacy reads all commands of a stream.
func readLegacy(body []byte) ([]legacyCommand, bool) {
	var commands []legacyCommand
	for d := json.NewDecoder(bytes.NewReader(body)); len(commands) <= maxCommands; {
		var one legacyCommand
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return commands, len(commands) > 0
		}
		if err != nil {
			return nil, false
		}
		commands = append(commands, one)
	}
	return nil, false
}

// command finds what a command asks for: first the methods of the older product, whose
// names are partly the same.
func (l *legacyCommand) command() command {
	name := l.Method.name
	m := byEnum(l.Method.enum)
	if name != "" {
		m = byName[name]
	}
	if name == "" {
		name = m.name
	}
	if was, ok := olderMethod(name, l.Params); ok {
		m = was
	}
	in, err := m.decode(l.Params)
	return command{method: m, params: in, failed: err}
}
