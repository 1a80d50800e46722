package engine

import (
	"context"
	"crypto/rand"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatbell/internal/listen"
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
	path              string          // the argument that names the data folder
	keeper            *conn           // keeps the engine open; used while starting only
	ending            context.Context //nolint:containedctx // the child's lifetime
	auth              auth
	play              *page
	guesses           *listen.Throttle
	wrong             atomic.Uint64   // passwords
	keepAlive         time.Duration   // what clients are told
	answerTime        time.Duration   // bounds an analyst's query together with the reading of its answer
	known             map[string]bool // ClickHouse's settings
	forbidden         map[string]bool // functions that analysts may not call, in lower case
	byName            map[string]bool // those of them that must not be named either
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

// ServeHTTP answers /, /play, /ping and /replicas_status.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	crossOrigin(w, r)
	switch {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case r.URL.Path == "/ping" || r.URL.Path == "/replicas_status":
		ok(w)
		return
	case r.URL.Path == "/play" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		h.play.ServeHTTP(w, r)
		return
	case r.URL.Path != "/":
		http.Error(w, "There is no handle "+r.URL.Path+". Send queries to /, ask in a browser with /play, or use /ping for health checks. Dashboards and other pages of a server are not here: use a tool of your own.", http.StatusNotFound)
		return
	case r.Method == http.MethodHead || r.Method == http.MethodGet && r.URL.Query().Get("query") == "":
		ok(w)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
		http.Error(w, "Use GET or POST.", http.StatusMethodNotAllowed)
		return
	}
	ans := h.newAnswer(w, r)
	if err := h.serve(ans, r); err != nil {
		ans.fail(err)
		return
	}
	ans.close()
}

func ok(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	_, _ = w.Write([]byte("Ok.\n"))
}

// crossOrigin lets tools in a browser ask from anywhere, as a server's own configuration
// does. They need the password: none that the browser keeps is sent along with "*".
func crossOrigin(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") == "" {
		return
	}
	head := w.Header()
	head.Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions {
		head.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS")
		head.Set("Access-Control-Allow-Headers", "Origin, X-Requested-With, Authorization, Content-Type, X-ClickHouse-User, X-ClickHouse-Key, X-ClickHouse-Database, X-ClickHouse-Format")
		head.Set("Access-Control-Max-Age", "86400")
		return
	}
	head.Set("Access-Control-Expose-Headers", "X-ClickHouse-Query-Id, X-ClickHouse-Summary, X-ClickHouse-Server-Display-Name, X-ClickHouse-Format, X-ClickHouse-Timezone, X-ClickHouse-Exception-Code, X-ClickHouse-Exception-Tag")
}

// serve runs one request's statement.
func (h *handler) serve(ans *answer, r *http.Request) (err error) {
	who := h.identify(r)
	if who == nobody {
		ans.w.Header().Set("WWW-Authenticate", `Basic realm="ClickHouse server HTTP API"`)
		return refuse(codeUnknownUser, "AUTHENTICATION_FAILED", "Authentication failed: password is incorrect, or there is no user with such name")
	}
	if err := ans.configure(r); err != nil {
		return err
	}
	req, err := h.newRequest(who, ans.w, r)
	if err != nil {
		return err
	}
	defer req.close()
	if strings.HasPrefix(req.text, helloQuery) {
		return ans.hello(h.version)
	}
	ctx, leave := context.WithCancel(r.Context())
	defer leave()
	if who == analyst { // the writer's statements are waited for
		defer context.AfterFunc(h.ending, leave)()
	}
	release, err := h.slot(ctx, who)
	if err != nil {
		return err
	}
	defer release()
	if who == analyst {
		var cancel context.CancelFunc
		ans.until = time.Now().Add(h.answerTime)
		ctx, cancel = context.WithDeadlineCause(ctx, ans.until, tooLong(h.answerTime))
		defer cancel()
	}
	req.work = h.lib.works.begin(who)
	defer h.lib.works.end(req.work)
	defer context.AfterFunc(ctx, req.work.leave)()
	// A streamed answer is fetched in several calls; the engine keeps state by thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer h.killWhenGone(ctx, req.mark)()
	if req.data != nil {
		return h.insert(ans, req)
	}
	err = h.statement(ctx, ans, req)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // what the engine says of a killed query is of no interest
	}
	return err
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
	link, err := h.lib.open(h.path)
	if err != nil {
		return
	}
	defer link.close()
	_ = link.run("KILL QUERY WHERE Settings['log_comment'] = {mark:String} ASYNC", param{"mark", mark}) // as said above
}

// connect opens the request's own connection.
func (h *handler) connect(req *request, more ...string) (*conn, error) {
	args := append([]string{h.path, "--log_comment=" + req.mark}, req.args...)
	returned := req.work.call()
	link, err := h.lib.open(append(args, more...)...)
	returned()
	if err != nil {
		return nil, h.badSetting(req.args)
	}
	link.work = req.work
	err = link.run("USE " + quoteName(req.database))
	if err == nil && req.who == analyst {
		err = link.run("SET ROLE " + analystRole)
	}
	if err != nil {
		link.close()
		return nil, err
	}
	return link, nil
}

// badSetting finds the one that the engine does not take, which it does not say.
func (h *handler) badSetting(args []string) error {
	for _, arg := range args {
		link, err := h.lib.open(h.path, arg)
		if err != nil {
			name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			return refuse(codeBadArguments, "BAD_ARGUMENTS", "Setting %s cannot be %q", name, value)
		}
		link.close()
	}
	return refuse(codeUnknownException, "UNKNOWN_EXCEPTION", "the engine gives no connection: try again")
}

// statement runs whatever is not an insert with data. What an asker who is gone set off
// is not begun: the last thing before the engine is called is a look whether he is there.
func (h *handler) statement(ctx context.Context, ans *answer, req *request) error {
	link, err := h.connect(req)
	if err != nil {
		return err
	}
	defer func() { link.close() }()
	kind := link.analyse(req.text)
	var stmt statement
	switch {
	case req.who == analyst:
		stmt, err = h.look(req, kind)
	case kind.class == classReadOnly && kind.statements == 1:
		stmt, err = parse(link, req.text, req.params)
	}
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	format := req.format
	if stmt.format != "" {
		format = stmt.format
	}
	ans.setFormat(format)
	if stmt.root == "SelectWithUnionQuery" && piecewise[strings.ToLower(format)] {
		return link.stream(req.text, req.format, req.params, ans.write)
	}
	if req.who == analyst {
		link.close()
		whole, err := h.connect(req, "--max_result_bytes="+itoa(req.wholeLimit()))
		if err != nil {
			return err
		}
		link = whole
	}
	return link.query(req.text, req.format, req.params, ans.write)
}

// insert feeds the request's body to an INSERT.
func (h *handler) insert(ans *answer, req *request) error {
	link, err := h.connect(req)
	if err != nil {
		return err
	}
	defer link.close()
	sum, err := link.insert(req.text, req.format, req.data)
	if err != nil {
		return err
	}
	return ans.write(nil, sum)
}

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
