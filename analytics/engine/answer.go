package engine

import (
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// answer writes one response. Headers go out with the first piece.
type answer struct {
	w       http.ResponseWriter
	out     io.Writer
	finish  func() error
	coding  string
	started bool
}

func newAnswer(w http.ResponseWriter, r *http.Request) *answer {
	q := r.URL.Query()
	a := &answer{w: w, out: w, finish: func() error { return nil }}
	w.Header().Set("X-ClickHouse-Query-Id", first0(q.Get("query_id"), newMark()))
	w.Header().Set("X-ClickHouse-Server-Display-Name", displayName)
	w.Header().Set("X-ClickHouse-Timezone", "UTC")
	if q.Get("enable_http_compression") == "1" || q.Get("enable_http_compression") == "true" {
		a.coding = accepted(r.Header.Get("Accept-Encoding"))
	}
	if q.Get("compress") == "1" {
		a.coding = "blocks"
	}
	return a
}

// accepted picks a coding that we have.
func accepted(header string) string {
	for c := range strings.SplitSeq(header, ",") {
		c, weight, _ := strings.Cut(strings.TrimSpace(c), ";")
		if (c == "gzip" || c == "deflate") && strings.ReplaceAll(weight, " ", "") != "q=0" {
			return c
		}
	}
	return ""
}

// format announces what the answer will be in.
func (a *answer) format(name string) {
	a.w.Header().Set("X-ClickHouse-Format", name)
	a.w.Header().Set("Content-Type", contentType(name))
}

func contentType(format string) string {
	f := strings.ToLower(format)
	switch {
	case strings.Contains(f, "eachrow") && strings.HasPrefix(f, "json"), f == "ndjson", f == "jsonlines":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(f, "json"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(f, "csv"):
		return "text/csv; charset=UTF-8"
	case strings.HasPrefix(f, "tabseparated"), strings.HasPrefix(f, "tsv"):
		return "text/tab-separated-values; charset=UTF-8"
	case f == "native", f == "parquet", strings.HasPrefix(f, "rowbinary"), strings.HasPrefix(f, "arrow"), f == "orc", f == "avro":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}

// start sends the headers.
func (a *answer) start(st stats) {
	if a.started {
		return
	}
	a.started = true
	a.w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(
		`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","total_rows_to_read":"0","result_rows":"%d","result_bytes":"0"}`,
		st.readRows, st.readBytes, st.writtenRows, st.writtenBytes, st.resultRows))
	switch a.coding {
	case "gzip":
		z := gzip.NewWriter(a.w)
		a.out, a.finish = z, z.Close
	case "deflate":
		z := zlib.NewWriter(a.w)
		a.out, a.finish = z, z.Close
	case "blocks":
		a.out = blockWriter{a.w, compress.NewWriter(compress.LevelZero, compress.LZ4)}
		return // named by the asker's compress=1, not by a header
	default:
		return
	}
	a.w.Header().Set("Content-Encoding", a.coding)
}

// write sends a piece.
func (a *answer) write(piece []byte, st stats) error {
	a.start(st)
	if len(piece) == 0 {
		return nil
	}
	_, err := a.out.Write(piece)
	return err
}

// fail sends an exception; or, when part of the answer is out already, breaks the
// connection, so that nobody takes a part for the whole.
func (a *answer) fail(err error) {
	if a.started {
		panic(http.ErrAbortHandler)
	}
	if errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // nobody is there to read
	}
	a.started = true
	var e *Exception
	if !errors.As(err, &e) {
		status := http.StatusInternalServerError
		if errors.Is(err, errNoBody) {
			status = http.StatusBadRequest
		}
		http.Error(a.w, err.Error(), status)
		return
	}
	a.w.Header().Del("X-ClickHouse-Format")
	a.w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	a.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	a.w.WriteHeader(e.status())
	_, _ = io.WriteString(a.w, e.Message+"\n") // a reader that is gone needs no exception
}

func (a *answer) close() { _ = a.finish() } // the last bytes; a reader that is gone does not miss them

// blockWriter speaks ClickHouse's own compression.
type blockWriter struct {
	w io.Writer
	z *compress.Writer
}

func (b blockWriter) Write(p []byte) (int, error) {
	const block = 1 << 20 // ClickHouse's max_compress_block_size
	for rest := p; len(rest) > 0; {
		n := min(len(rest), block)
		if err := b.z.Compress(rest[:n]); err != nil {
			return 0, fmt.Errorf("compress the answer: %w", err)
		}
		if _, err := b.w.Write(b.z.Data); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

const (
	displayName = "chatbell"
	// helloQuery is what clickhouse-go asks first.
	helloQuery = "SELECT displayName(), version(), revision(), timezone()"
	// helloRevision is the protocol revision in which clickhouse-go reads the hello.
	helloRevision = 54460
)

// hello answers clickhouse-go's first question. It decodes this answer at the revision
// that it asks with, and everything after it at the revision that the answer names. The
// engine writes FORMAT Native as of revision 0, so that this is what we name.
func (a *answer) hello(version string) error {
	b := proto.NewBlock()
	for _, c := range [...][2]string{{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"}} {
		if err := b.AddColumn(c[0], column.Type(c[1])); err != nil {
			return fmt.Errorf("answer the hello: %w", err)
		}
	}
	if err := b.Append(displayName, version, uint32(0), "UTC"); err != nil {
		return fmt.Errorf("answer the hello: %w", err)
	}
	var buf chproto.Buffer
	if err := b.Encode(&buf, helloRevision); err != nil {
		return fmt.Errorf("answer the hello: %w", err)
	}
	a.format("Native")
	return a.write(buf.Buf, stats{resultRows: 1})
}
