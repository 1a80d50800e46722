package centrifugo

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
)

const (
	// maxCommands bounds a batch: their answers are held in memory until all are done.
	maxCommands = 1000
	// abreast is how many commands of a parallel batch are under way at a time: the store
	// has one writer, so that more would only wait.
	abreast = 16
)

// command is one command that was read and not done yet.
type command struct {
	method method
	params any
	failed error // why it cannot be done
}

// serveBatch does the commands of a batch. Nothing is done unless all of them can be read.
func (a *api) serveBatch(w *answer, r *http.Request, c *call, body []byte) {
	var in struct {
		Commands []map[string]json.RawMessage `json:"commands"`
		Parallel bool                         `json:"parallel"`
	}
	if json.Unmarshal(body, &in) != nil || len(in.Commands) > maxCommands {
		w.fail(http.StatusBadRequest)
		return
	}
	commands := make([]command, len(in.Commands))
	for i, entry := range in.Commands {
		commands[i] = readCommand(entry)
		if commands[i].failed != nil {
			w.fail(http.StatusBadRequest)
			return
		}
	}
	replies := make([]any, len(commands))
	a.each(r.Context(), commands, in.Parallel, func(ctx context.Context, i int) {
		result, failed := a.run(ctx, c, commands[i].method, commands[i].params)
		if failed != nil {
			replies[i] = response{Error: failed}
			return
		}
		replies[i] = map[string]any{commands[i].method.name: result}
	})
	w.json(http.StatusOK, map[string]any{"replies": replies})
}

// readCommand reads an entry of a batch, whose only name is its method.
func readCommand(entry map[string]json.RawMessage) command {
	if len(entry) > 1 {
		return command{failed: errJSON}
	}
	for name, params := range entry {
		m, ok := byName[name]
		if !ok {
			return command{method: unknown(name), params: struct{}{}}
		}
		in, err := m.decode(params)
		return command{method: m, params: in, failed: err}
	}
	return command{method: unknown(""), params: struct{}{}}
}

// each does commands, one after another or some at a time, and waits for them.
func (a *api) each(ctx context.Context, commands []command, parallel bool, do func(context.Context, int)) {
	if !parallel {
		for i := range commands {
			do(ctx, i)
		}
		return
	}
	var workers sync.WaitGroup
	next := make(chan int)
	for range min(abreast, len(commands)) {
		workers.Go(func() {
			for i := range next {
				do(ctx, i)
			}
		})
	}
	for i := range commands {
		next <- i
	}
	close(next)
	workers.Wait()
}
