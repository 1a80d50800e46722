package engine

import (
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
)

// maxInsert bounds one request's data. It is fed on as it comes, so that the bound is
// there against a runaway only.
const maxInsert = 1 << 30

// request is what one HTTP request asks for.
type request struct {
	who      role
	mark     string // finds the statement among those that run
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

func (h *handler) newRequest(who role, r *http.Request) (_ *request, err error) {
	q := r.URL.Query()
	set, params := split(q)
	req := &request{who: who, mark: newMark(), params: params, database: first0(q.Get("database"), r.Header.Get("X-ClickHouse-Database"), database)}
	req.format = first0(q.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated")
	if req.args, err = h.arguments(who, set); err != nil {
		return nil, err
	}
	body, closer, err := decode(r, q.Get("decompress") == "1")
	if err != nil {
		return nil, err
	}
	req.opened = closer
	req.text = q.Get("query")
	if m := insertForm.FindStringSubmatch(req.text); m != nil && who == writer {
		req.text, req.format, req.data = m[1], m[2], io.LimitReader(body, maxInsert)
		return req, nil
	}
	more, err := io.ReadAll(io.LimitReader(body, maxQueryText+1))
	if err != nil {
		req.close()
		return nil, fmt.Errorf("%w: %w", errNoBody, err)
	}
	if len(more) > maxQueryText {
		req.close()
		return nil, refuse(codeSyntax, "SYNTAX_ERROR", "Max query size exceeded")
	}
	if req.text != "" && len(more) > 0 {
		req.text += "\n"
	}
	req.text += string(more)
	if strings.TrimSpace(req.text) == "" {
		req.close()
		return nil, refuse(codeSyntax, "SYNTAX_ERROR", "Empty query")
	}
	return req, nil
}

func first0(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}

// decode undoes the body's compression: HTTP's own, or ClickHouse's checksummed blocks.
func decode(r *http.Request, blocks bool) (io.Reader, io.Closer, error) {
	var body io.Reader = r.Body
	var closer io.Closer
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errNoBody, err)
		}
		body, closer = z, z
	case "deflate":
		z, err := zlib.NewReader(body)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errNoBody, err)
		}
		body, closer = z, z
	default:
		return nil, nil, refuse(codeNotImplemented, "NOT_IMPLEMENTED", "Unknown compression method %q: use gzip, deflate, or decompress=1", enc)
	}
	if blocks {
		body = compress.NewReader(body)
	}
	return body, closer, nil
}
