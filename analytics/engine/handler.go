package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	// database is where the tables are, and where names without a database are looked up.
	database = "chatbell"
	// maxWriters bounds the writer's statements at once: inserts of three tables, a
	// lookup, and one to spare.
	maxWriters = 5
	// maxAnalysts bounds the analysts' queries at once; with analystMemory it bounds
	// what they can take of the machine.
	maxAnalysts = 4
	// slotWait is how long a request waits for its turn. Dashboards send a dozen
	// queries at a time; each is given the time of a slow one.
	slotWait = 30 * time.Second
	// killEvery is the pause between two tries to stop a statement whose asker is gone;
	// one costs half a millisecond.
	killEvery = 100 * time.Millisecond
)

// handler answers ClickHouse's HTTP interface.
type handler struct {
	lib               *library
	path              string // the argument that names the data folder
	keeper            *conn  // keeps the engine open; used while starting only
	auth              auth
	known             map[string]bool // ClickHouse's settings
	forbidden         map[string]bool // functions that analysts may not call, in lower case
	hidden            []string        // tables of the database system that are closed
	version           string
	writers, analysts chan struct{} // one element for each statement under way
}

func (h *handler) close() {
	// A connection that is still in use must not lose the engine under it.
	for range maxWriters {
		select {
		case h.writers <- struct{}{}:
		default:
			return
		}
	}
	for range maxAnalysts {
		select {
		case h.analysts <- struct{}{}:
		default:
			return
		}
	}
	h.keeper.close()
}

// analystThreads leaves half of the machine to everything else.
func (h *handler) analystThreads() int { return max(1, runtime.NumCPU()/2) }

// ServeHTTP answers /, /ping and /replicas_status.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping" || r.URL.Path == "/replicas_status":
		ok(w)
		return
	case r.URL.Path != "/":
		http.Error(w, "There is no handle "+r.URL.Path+". Use / or /ping for health checks.", http.StatusNotFound)
		return
	case r.Method == http.MethodHead || r.Method == http.MethodGet && r.URL.Query().Get("query") == "":
		ok(w)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "Use GET or POST.", http.StatusMethodNotAllowed)
		return
	}
	a := newAnswer(w, r)
	if err := h.serve(a, r); err != nil {
		a.fail(err)
	}
	a.close()
}

func ok(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	_, _ = w.Write([]byte("Ok.\n"))
}

// serve runs one request's statement.
func (h *handler) serve(a *answer, r *http.Request) error {
	who := h.auth.role(r)
	if who == nobody {
		a.w.Header().Set("WWW-Authenticate", `Basic realm="ClickHouse server HTTP API"`)
		return refuse(codeUnknownUser, "AUTHENTICATION_FAILED", "Authentication failed: password is incorrect, or there is no user with such name")
	}
	req, err := h.newRequest(who, r)
	if err != nil {
		return err
	}
	defer req.close()
	if strings.HasPrefix(req.text, helloQuery) {
		return a.hello(h.version)
	}
	release, err := h.slot(r.Context(), who)
	if err != nil {
		return err
	}
	defer release()
	// A streamed answer is fetched in several calls; the engine keeps state by thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer h.killWhenGone(r.Context(), req.mark)()
	if req.data != nil {
		return h.insert(a, req)
	}
	return h.statement(r.Context(), a, req)
}

// slot waits for a turn among those of the same role.
func (h *handler) slot(ctx context.Context, who role) (release func(), err error) {
	slots := h.writers
	if who == analyst {
		slots = h.analysts
	}
	timer := time.NewTimer(slotWait)
	defer timer.Stop()
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-timer.C:
		return nil, refuse(codeTooManyAtOnce, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many simultaneous queries. Maximum: %d", cap(slots))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// killWhenGone stops the statement when its asker is gone. The function that it gives
// ends the watch. A statement has phases (connecting, parsing, running), and there is
// nothing to stop between them: so it is stopped again and again until it has returned.
func (h *handler) killWhenGone(ctx context.Context, mark string) (end func()) {
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer wg.Done()
		tick := time.NewTicker(killEvery)
		defer tick.Stop()
		for {
			h.kill(mark)
			select {
			case <-ended:
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		close(ended)
		if !stop() {
			wg.Wait()
		}
	}
}

// kill stops what runs under a mark. What goes wrong is tried again: killWhenGone comes
// back.
func (h *handler) kill(mark string) {
	c, err := h.lib.open(h.path)
	if err != nil {
		return
	}
	defer c.close()
	_ = c.run("KILL QUERY WHERE Settings['log_comment'] = {mark:String} ASYNC", param{"mark", mark}) // as said above
}

// connect opens the request's own connection.
func (h *handler) connect(req *request, more ...string) (*conn, error) {
	args := append([]string{h.path, "--log_comment=" + req.mark}, req.args...)
	c, err := h.lib.open(append(args, more...)...)
	if err != nil {
		return nil, refuse(codeUnknownSetting, "BAD_ARGUMENTS", "a setting has a value that it cannot have")
	}
	err = c.run("USE " + quoteName(req.database))
	if err == nil && req.who == analyst {
		err = c.run("SET ROLE " + analystRole)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// statement runs whatever is not an insert with data. What an asker who is gone set off
// is not begun: the last thing before the engine is called is a look whether he is there.
func (h *handler) statement(ctx context.Context, a *answer, req *request) error {
	c, err := h.connect(req)
	if err != nil {
		return err
	}
	defer func() { c.close() }()
	kind := c.analyse(req.text)
	if req.who == analyst && kind.class == classUnknown {
		return whatIsWrong(c, req.text)
	}
	var s statement
	if kind.class == classReadOnly && kind.statements == 1 {
		if s, err = parse(c, req.text, req.params); err != nil {
			return err
		}
	}
	if req.who == analyst {
		if err := h.allow(kind, s); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	format := req.format
	if s.format != "" {
		format = s.format
	}
	a.format(format)
	if s.root == "SelectWithUnionQuery" && piecewise[strings.ToLower(format)] {
		return c.stream(req.text, req.format, req.params, a.write)
	}
	if req.who == analyst {
		c.close()
		whole, err := h.connect(req, "--max_result_bytes="+itoa(analystWhole))
		if err != nil {
			return err
		}
		c = whole
	}
	return c.query(req.text, req.format, req.params, a.write)
}

// insert feeds the request's body to an INSERT.
func (h *handler) insert(a *answer, req *request) error {
	c, err := h.connect(req)
	if err != nil {
		return err
	}
	defer c.close()
	st, err := c.insert(req.text, req.format, req.data)
	if err != nil {
		return err
	}
	return a.write(nil, st)
}

// insertForm is an INSERT whose data comes in the body. Only the writer's statements
// are looked at in this way, and it writes them by itself.
var insertForm = regexp.MustCompile(`(?is)^\s*(INSERT\s+INTO\s.*?)\s+FORMAT\s+([A-Za-z]+)\s*;?\s*$`)

// errNoBody says that the body could not be read, for example because it is too long.
var errNoBody = errors.New("read the request's body")

// quoteName makes any name an identifier.
func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

// quoteText makes any text a literal.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// newMark is an id that nobody else can know or choose.
func newMark() string { return rand.Text() }
