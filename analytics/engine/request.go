package engine

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// maxInsert bounds one request's data. It is fed on as it comes, so that the bound is
	// there against a runaway only.
	maxInsert = 1 << 30
	// maxQueryText is four times ClickHouse's own max_query_size, so that the engine
	// is the one to refuse.
	maxQueryText = 1 << 20
	// maxParsed is ClickHouse's max_query_size: the engine refuses what is longer, so that
	// nothing has to be done for it.
	maxParsed = 256 << 10
	// textWait is how long the text of a query may take to arrive: that of a slow line,
	// for a megabyte.
	textWait = 30 * time.Second
	// maxHold bounds what wait_end_of_query and buffer_size keep in memory.
	maxHold = analystWhole
)

// request is what one HTTP request asks for.
type request struct {
	who      role
	mark     string // finds the statement among those that run
	work     *work  // finds it among those that cannot be cancelled
	text     string
	data     io.Reader // of an INSERT, else nil
	format   string    // of data, or of an answer without FORMAT clause
	database string
	params   []param
	args     []string
	opened   io.Closer
}

func (r *request) close() {
	if r.opened != nil {
		_ = r.opened.Close() // only frees memory
	}
}

func (h *handler) newRequest(who role, w http.ResponseWriter, r *http.Request) (_ *request, err error) {
	query := r.URL.Query()
	if err := checkReserved(query); err != nil {
		return nil, err
	}
	set, params := split(query)
	req := &request{
		who:      who,
		mark:     newMark(),
		params:   params,
		database: first0(r.Header.Get("X-ClickHouse-Database"), query.Get("database"), database),
	}
	req.format = first0(r.Header.Get("X-ClickHouse-Format"), query.Get("default_format"), "TabSeparated")
	body, closer, err := decode(r, truth(query.Get("decompress")))
	if err != nil {
		return nil, err
	}
	req.opened = closer
	req.text = query.Get("query")
	if match := insertForm.FindStringSubmatch(req.text); match != nil && who == writer {
		req.text = match[1]
		req.format = match[2]
		req.data = io.LimitReader(body, maxInsert)
	} else if err = req.readText(r, body); err == nil && who == analyst && !strings.HasPrefix(req.text, helloQuery) && len(req.text) <= maxParsed {
		var more map[string]string
		req.text, more = lifted(h.rewritten(req.text))
		maps.Copy(set, more)
	}
	if err == nil {
		req.args, err = h.arguments(who, set)
	}
	if err != nil {
		req.close()
		return nil, err
	}
	// Until the deadline is lifted nobody notices that the asker has left. The data of an
	// insert is the parent's, which has a deadline of its own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // every connection has deadlines
	return req, nil
}

// insertForm is an INSERT whose data comes in the body. Only the writer's statements
// are looked at in this way, and it writes them by itself.
var insertForm = regexp.MustCompile(`(?is)^\s*(INSERT\s+INTO\s.*?)\s+FORMAT\s+([A-Za-z]+)\s*;?\s*$`)

// errNoBody says that the body could not be read, for example because it is too long.
var errNoBody = errors.New("read the request's body")

// readText reads the rest of a query's text, or all of it, from the body.
func (r *request) readText(from *http.Request, body io.Reader) error {
	body = io.LimitReader(body, maxQueryText+1)
	if kind, with, err := mime.ParseMediaType(from.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
		return r.readForm(multipart.NewReader(body, with["boundary"]))
	}
	more, err := readAll(body)
	if err != nil {
		return err
	}
	if r.text != "" && more != "" {
		r.text += "\n"
	}
	r.text += more
	if strings.TrimSpace(r.text) == "" {
		return refuse(codeSyntax, "SYNTAX_ERROR", "Empty query")
	}
	return nil
}

// readForm takes the query and its parameters from the fields of a form, where clients
// put them that are too long for the address. Tables in it are not for us.
func (r *request) readForm(form *multipart.Reader) error {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errNoBody, err)
		}
		name := part.FormName()
		short, isParam := strings.CutPrefix(name, "param_")
		if part.FileName() != "" || name != "query" && !isParam {
			return refuse(codeNotImplemented, "NOT_IMPLEMENTED", "external data is not supported (%q): write the rows into the query, for example with VALUES", name)
		}
		value, err := readAll(part)
		if err != nil {
			return err
		}
		if isParam {
			r.params = append(r.params, param{short, value})
		} else {
			r.text += value
		}
	}
	if strings.TrimSpace(r.text) == "" {
		return refuse(codeSyntax, "SYNTAX_ERROR", "Empty query")
	}
	return nil
}

// readAll reads what is no longer than a query's text may be.
func readAll(from io.Reader) (string, error) {
	text, err := io.ReadAll(from)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoBody, err)
	}
	if len(text) > maxQueryText {
		return "", refuse(codeSyntax, "SYNTAX_ERROR", "Max query size exceeded")
	}
	return string(text), nil
}

// checkReserved refuses what the interface's own parameters cannot mean here.
func checkReserved(query url.Values) error {
	if query.Has("role") {
		return refuse(codeUnknownRole, "UNKNOWN_ROLE", "There is no role %s to choose: this user has one, and it is always on", quoteName(query.Get("role")))
	}
	if truth(query.Get("session_check")) {
		return refuse(codeNoSession, "SESSION_NOT_FOUND", "Session %s not found: sessions are not kept, each request stands alone", quoteName(query.Get("session_id")))
	}
	if text := query.Get("session_timeout"); text != "" {
		if n, err := strconv.ParseUint(text, 10, 32); err != nil || n > 3600 {
			return refuse(codeBadTimeout, "INVALID_SESSION_TIMEOUT", "Invalid session timeout: '%s': write seconds, at most 3600", text)
		}
	}
	for _, name := range []string{"buffer_size", "http_response_buffer_size"} {
		if value := query.Get(name); value != "" {
			if _, err := strconv.ParseUint(value, 10, 63); err != nil {
				return refuse(codeBadArguments, "BAD_ARGUMENTS", "%s is %q: write a number of bytes", name, value)
			}
		}
	}
	return nil
}

// hold is how many bytes of an answer are kept back, so that an error within them has a
// status of its own; all is said by wait_end_of_query.
func hold(q url.Values) (bytes int, all bool) {
	n, _ := strconv.ParseUint(first0(q.Get("http_response_buffer_size"), q.Get("buffer_size"), "0"), 10, 63) // checked before
	return int(min(n, maxHold)), truth(first0(q.Get("http_wait_end_of_query"), q.Get("wait_end_of_query")))
}

// truth reads a switch.
func truth(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

// wholeLimit is the most bytes of an answer that is put together in memory.
func (r *request) wholeLimit() int64 {
	limit := int64(analystWhole)
	for _, arg := range r.args {
		if own, ok := strings.CutPrefix(arg, "--max_result_bytes="); ok {
			if n, err := strconv.ParseInt(own, 10, 64); err == nil && n > 0 {
				limit = min(limit, n)
			}
		}
	}
	return limit
}

func first0(s ...string) string {
	for _, text := range s {
		if text != "" {
			return text
		}
	}
	return ""
}
