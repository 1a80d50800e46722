package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// readWait is how long a client may take no byte of its answer. Who cannot take
	// pieceSize in that time is gone, or holds a place that others wait for.
	readWait  = 10 * time.Second
	pieceSize = 64 << 10
	// breakWait is how long a connection that is to be broken stays open for a client to
	// read why: whoever unpacks or parses beside his reading loses, at the break, what he
	// has not got to yet. It ends as soon as the client leaves.
	breakWait = time.Second
	// maxException bounds an exception in the middle of an answer, as with a server.
	maxException = 16 << 10
)

// answer writes one response. Headers go out with the first piece that is not held back.
type answer struct {
	w       http.ResponseWriter
	control *http.ResponseController
	left    <-chan struct{} // closed when the client is gone
	voice   voice
	tag     string // marks an exception in the middle
	format  string
	inline  bool // exceptions are written in the format, where it has a form for them
	coding  coding
	until   time.Time // the end of all patience with a slow reader; zero for none
	room    int       // how many bytes are held back
	whole   bool      // all are held back
	held    []byte
	stats   stats
	out     io.WriteCloser // nil until the headers are out
	lost    bool           // nobody reads
}

func (h *handler) newAnswer(w http.ResponseWriter, r *http.Request) *answer {
	speaker := voice{version: h.version, user: h.auth.analystUser, hidden: h.hidden}
	ans := &answer{
		w:       w,
		control: http.NewResponseController(w),
		left:    r.Context().Done(),
		voice:   speaker,
		tag:     strings.ToLower(rand.Text()[:16]),
	}
	head := w.Header()
	head.Set("X-ClickHouse-Query-Id", first0(r.URL.Query().Get("query_id"), r.Header.Get("X-ClickHouse-Query-Id"), newMark()))
	head.Set("X-ClickHouse-Server-Display-Name", displayName)
	head.Set("X-ClickHouse-Timezone", "UTC")
	head.Set("X-ClickHouse-Exception-Tag", ans.tag)
	head.Set("Keep-Alive", "timeout="+itoa(h.keepAlive/time.Second))
	return ans
}

// configure obeys the address's parameters that are about the answer.
func (a *answer) configure(r *http.Request) (err error) {
	query := r.URL.Query()
	a.room, a.whole = hold(query)
	a.inline = truth(query.Get("http_write_exception_in_output_format"))
	a.coding, err = newCoding(query, r)
	return err
}

// setFormat announces what the answer will be in.
func (a *answer) setFormat(name string) {
	a.format = name
	a.w.Header().Set("X-ClickHouse-Format", name)
	a.w.Header().Set("Content-Type", contentType(name))
}

func contentType(format string) string {
	name := strings.ToLower(format)
	switch {
	case strings.Contains(name, "eachrow") && strings.HasPrefix(name, "json"), name == "ndjson", name == "jsonlines":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(name, "json"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(name, "csv"):
		return "text/csv; charset=UTF-8; header=" + map[bool]string{true: "present", false: "absent"}[strings.Contains(name, "names")]
	case strings.HasPrefix(name, "tabseparated"), strings.HasPrefix(name, "tsv"), name == "raw":
		return "text/tab-separated-values; charset=UTF-8"
	case name == "native", strings.HasPrefix(name, "rowbinary"), name == "parquet", strings.HasPrefix(name, "arrow"), name == "orc", name == "avro":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}

// start sends the headers.
func (a *answer) start() error {
	head := a.w.Header()
	sum := a.stats
	head.Set("X-ClickHouse-Summary", fmt.Sprintf(
		`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","total_rows_to_read":"0","result_rows":"%d","result_bytes":"0"}`,
		sum.readRows, sum.readBytes, sum.writtenRows, sum.writtenBytes, sum.resultRows))
	if a.coding.name != "" {
		head.Set("Content-Encoding", a.coding.name)
		head.Add("Vary", "Accept-Encoding")
	}
	out, err := a.coding.packer(patient{a})
	if err != nil {
		return fmt.Errorf("pack the answer: %w", err)
	}
	a.out = out
	a.w.WriteHeader(http.StatusOK)
	_, err = a.out.Write(a.held)
	a.held = nil
	return err
}

// write sends a piece, or holds it back.
func (a *answer) write(piece []byte, st stats) error {
	if a.out == nil {
		a.stats.add(st)
		if len(a.held)+len(piece) <= a.room || a.whole {
			if len(a.held)+len(piece) > maxHold {
				return refuse(codeTooBig, "TOO_MANY_ROWS_OR_BYTES", "Limit for result exceeded, wait_end_of_query=1 keeps at most %d bytes: leave it out, and the answer is streamed", maxHold)
			}
			a.held = append(a.held, piece...)
			return nil
		}
		if err := a.start(); err != nil {
			return err
		}
	}
	if len(piece) == 0 {
		return nil
	}
	_, err := a.out.Write(piece)
	return err
}

// close sends what was held back, and the end. Where the reader is gone the bytes are
// lost, and nobody misses them.
func (a *answer) close() {
	if a.out == nil && a.start() != nil {
		panic(http.ErrAbortHandler)
	}
	if a.out.Close() != nil {
		panic(http.ErrAbortHandler)
	}
	a.patience()
}

// patience sets the deadline of the next write: also of the last one, which is net/http's.
func (a *answer) patience() {
	end := time.Now().Add(readWait)
	if !a.until.IsZero() && a.until.Before(end) {
		end = a.until
	}
	_ = a.control.SetWriteDeadline(end) // every connection has deadlines
}

// patient writes to a client that may be slow but has to read.
type patient struct{ a *answer }

func (p patient) Write(b []byte) (n int, err error) {
	for n < len(b) {
		p.a.patience()
		wrote, err := p.a.w.Write(b[n:min(n+pieceSize, len(b))])
		n += wrote
		if err != nil {
			p.a.lost = true
			return n, err
		}
	}
	return n, nil
}

// fail sends an exception. When a part of the answer is out already, it follows that part
// and the connection is broken, so that nobody takes a part for the whole.
func (a *answer) fail(err error) {
	if a.lost || errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // nobody is there to read
	}
	exception := asException(err)
	text := a.voice.say(exception)
	if a.out != nil {
		a.failMidway(text)
		return
	}
	a.w.Header().Del("X-ClickHouse-Format")
	a.w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(exception.Code))
	a.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	a.patience()
	a.w.WriteHeader(exception.status())
	_, _ = io.WriteString(a.w, text+"\n") //nolint:gosec // it is text/plain; a reader that is gone needs no exception
}

// inlineFormats have a line of their own for exceptions.
var inlineFormats = words("JSONEachRow JSONLines NDJSON JSONStringsEachRow")

// failMidway writes an exception behind rows. The form is the server's since 25.11: the
// tag, which is in the headers too, keeps apart what rows could contain.
func (a *answer) failMidway(text string) {
	if a.inline && inlineFormats[strings.ToLower(a.format)] {
		line, _ := json.Marshal(map[string]string{"exception": text}) // strings can always be marshalled
		if _, err := a.out.Write(append(line, '\n')); err == nil {
			a.close()
			return
		}
		panic(http.ErrAbortHandler)
	}
	text = text[:min(len(text), maxException-200)] + "\n" // 200: more than what stands around it
	block := "\r\n__exception__\r\n" + a.tag + "\r\n" + text + strconv.Itoa(len(text)) + " " + a.tag + "\r\n__exception__\r\n"
	if _, err := io.WriteString(a.out, block); err == nil && a.out.Close() == nil {
		_ = a.control.Flush() // the connection ends here in any case
		wait := time.NewTimer(breakWait)
		defer wait.Stop()
		select {
		case <-a.left:
		case <-wait.C:
		}
	}
	panic(http.ErrAbortHandler)
}
