package engine

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is libchdb.so with the functions that we call. The names and types are
// those of the engine's C interface; a handle of 0 means failure.
type library struct {
	works *works // what runs

	connect        func(argc int32, argv **byte) *uintptr
	closeConn      func(conn *uintptr)
	query          func(conn uintptr, q *byte, n uintptr, format *byte, fn uintptr, names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) uintptr
	streamQuery    func(conn uintptr, q *byte, n uintptr, format *byte, fn uintptr, names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) uintptr
	streamFetch    func(conn, stream uintptr) uintptr
	streamCancel   func(conn, stream uintptr)
	destroyResult  func(result uintptr)
	resultBuffer   func(result uintptr) unsafe.Pointer
	resultLength   func(result uintptr) uintptr
	resultError    func(result uintptr) unsafe.Pointer
	rowsRead       func(result uintptr) uint64
	storageRows    func(result uintptr) uint64
	storageBytes   func(result uintptr) uint64
	rowsWritten    func(result uintptr) uint64
	bytesWritten   func(result uintptr) uint64
	insert         func(conn uintptr, q *byte, n uintptr, format *byte, fn uintptr) uintptr
	insertAppend   func(stream uintptr, data *byte, n uintptr) int32
	insertDone     func(stream uintptr) uintptr
	insertCancel   func(stream uintptr)
	insertError    func(stream uintptr) unsafe.Pointer
	insertDestroy  func(stream uintptr)
	classify       func(conn uintptr, q *byte, n uintptr, db *byte, dbn uintptr, out *analysis) int32
	signalHandlers func(enabled int32)
}

// analysis is the C struct chdb_query_analysis_v1.
type analysis struct {
	size       uint32
	statements uint32
	_          uint32 // flags
	class      uint32
}

// The classes of a statement that we tell apart.
const (
	classReadOnly = 0
	classUnknown  = 4
)

// loadLibrary maps the shared library into this process. There is no way to unload it.
func loadLibrary(path string) (lib *library, err error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse engine: %w", err)
	}
	lib = &library{works: newWorks()}
	for name, callback := range map[string]any{
		"chdb_connect": &lib.connect, "chdb_close_conn": &lib.closeConn,
		"chdb_query_with_params_n": &lib.query, "chdb_stream_query_with_params_n": &lib.streamQuery,
		"chdb_stream_fetch_result": &lib.streamFetch, "chdb_stream_cancel_query": &lib.streamCancel,
		"chdb_destroy_query_result": &lib.destroyResult, "chdb_result_buffer": &lib.resultBuffer,
		"chdb_result_length": &lib.resultLength, "chdb_result_error": &lib.resultError,
		"chdb_result_rows_read": &lib.rowsRead, "chdb_result_storage_rows_read": &lib.storageRows,
		"chdb_result_storage_bytes_read": &lib.storageBytes, "chdb_result_rows_written": &lib.rowsWritten,
		"chdb_result_bytes_written": &lib.bytesWritten,
		"chdb_stream_insert_n":      &lib.insert, "chdb_stream_append": &lib.insertAppend,
		"chdb_stream_done": &lib.insertDone, "chdb_stream_cancel_insert": &lib.insertCancel,
		"chdb_stream_insert_error": &lib.insertError, "chdb_destroy_insert_stream": &lib.insertDestroy,
		"chdb_classify_query_n": &lib.classify, "chdb_set_signal_handlers_enabled": &lib.signalHandlers,
	} {
		sym, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("load the ClickHouse engine: %s is too old or not the engine (no %s)", path, name)
		}
		purego.RegisterFunc(callback, sym)
	}
	// Its own handlers would take the place of Go's, and sleep for minutes at a crash.
	// Without them a crash ends the process at once, and the parent starts a new one.
	lib.signalHandlers(0)
	return lib, nil
}

// param is a query parameter: {name:Type} in the text.
type param struct{ name, value string }

// conn is one connection within the engine. It runs one statement at a time and must
// not be used by two goroutines at once.
type conn struct {
	lib    *library
	handle *uintptr
	work   *work // on whose behalf; nil for our own
}

// open connects. Every setting is applied to this connection only.
func (l *library) open(args ...string) (*conn, error) {
	argv := make([]*byte, 0, len(args)+1)
	for _, arg := range append([]string{"clickhouse"}, args...) {
		argv = append(argv, cString(arg))
	}
	h := l.connect(int32(len(argv)), &argv[0])
	runtime.KeepAlive(argv)
	if h == nil || *h == 0 {
		return nil, errors.New("the engine refuses")
	}
	return &conn{lib: l, handle: h}, nil
}

// close may be called again.
func (c *conn) close() {
	if c.handle == nil {
		return
	}
	c.lib.closeConn(c.handle)
	c.handle = nil
}

// stats is what the engine counted for one statement.
type stats struct {
	readRows, readBytes, writtenRows, writtenBytes, resultRows uint64
}

// add counts what another piece cost.
func (s *stats) add(o stats) {
	s.readRows += o.readRows
	s.readBytes += o.readBytes
	s.writtenRows += o.writtenRows
	s.writtenBytes += o.writtenBytes
	s.resultRows += o.resultRows
}

// emit takes a piece of an answer. The bytes are the engine's and must not be kept.
type emit func(piece []byte, st stats) error

// query runs a statement and hands on its whole answer.
func (c *conn) query(text, format string, params []param, out emit) error {
	query := []byte(text)
	form := []byte(format)
	given := newParams(params)
	returned := c.work.call()
	r := c.lib.query(*c.handle, first(query), uintptr(len(query)), first(form), uintptr(len(form)), given.names(), given.nameLens(), given.values(), given.valueLens(), given.count())
	runtime.KeepAlive(query)
	runtime.KeepAlive(form)
	runtime.KeepAlive(given)
	returned()
	_, err := c.take(r, out)
	return err
}

// text runs a statement whose answer is short, and copies it.
func (c *conn) text(query string, params ...param) (string, error) {
	var answer string
	err := c.query(query, "TSVRaw", params, func(piece []byte, _ stats) error {
		answer = string(piece)
		return nil
	})
	return answer, err
}

// run runs a statement that has no answer.
func (c *conn) run(query string, params ...param) error {
	return c.query(query, "Null", params, func([]byte, stats) error { return nil })
}

// take hands a result on and frees it; more says whether it held anything.
func (c *conn) take(r uintptr, out emit) (more bool, err error) {
	defer c.lib.destroyResult(r)
	if err := resultError(c.lib.resultError(r)); err != nil {
		return false, err
	}
	sum := stats{
		readRows:     c.lib.storageRows(r),
		readBytes:    c.lib.storageBytes(r),
		writtenRows:  c.lib.rowsWritten(r),
		writtenBytes: c.lib.bytesWritten(r),
		resultRows:   c.lib.rowsRead(r),
	}
	var piece []byte
	if n := c.lib.resultLength(r); n > 0 {
		piece = unsafe.Slice((*byte)(c.lib.resultBuffer(r)), n)
	}
	return len(piece) > 0 || sum.resultRows > 0, out(piece, sum)
}

// stream runs a statement and hands on its answer piece by piece, the last one empty.
// An error of out cancels the statement.
func (c *conn) stream(text, format string, params []param, out emit) error {
	query := []byte(text)
	form := []byte(format)
	given := newParams(params)
	returned := c.work.call()
	size := c.lib.streamQuery(*c.handle, first(query), uintptr(len(query)), first(form), uintptr(len(form)), given.names(), given.nameLens(), given.values(), given.valueLens(), given.count())
	runtime.KeepAlive(query)
	runtime.KeepAlive(form)
	runtime.KeepAlive(given)
	returned()
	defer c.lib.destroyResult(size)
	if err := resultError(c.lib.resultError(size)); err != nil {
		return err
	}
	for {
		returned := c.work.call()
		piece := c.lib.streamFetch(*c.handle, size)
		returned()
		more, err := c.take(piece, out)
		if err != nil {
			c.lib.streamCancel(*c.handle, size) // of a statement that failed: does nothing
			return err
		}
		if !more {
			return nil
		}
	}
}

// analyse lets the engine's parser say what kind of statement a text is.
func (c *conn) analyse(text string) analysis {
	query := []byte(text)
	a := analysis{size: uint32(unsafe.Sizeof(analysis{}))}
	if c.lib.classify(*c.handle, first(query), uintptr(len(query)), nil, 0, &a) != 0 {
		return analysis{class: classUnknown}
	}
	return a
}

// cParams holds parameters in the form that C wants. Go's collector does not move
// memory, so that the addresses stay good as long as the value is kept alive.
type cParams struct {
	n, v   []*byte
	nl, vl []uintptr
}

func newParams(params []param) *cParams {
	made := &cParams{}
	for _, one := range params {
		made.n = append(made.n, cString(one.name))
		made.nl = append(made.nl, uintptr(len(one.name)))
		made.v = append(made.v, cString(one.value))
		made.vl = append(made.vl, uintptr(len(one.value)))
	}
	return made
}

func (p *cParams) names() **byte       { return first(p.n) }
func (p *cParams) values() **byte      { return first(p.v) }
func (p *cParams) nameLens() *uintptr  { return first(p.nl) }
func (p *cParams) valueLens() *uintptr { return first(p.vl) }
func (p *cParams) count() uintptr      { return uintptr(len(p.n)) }
func first[T any](s []T) *T            { return unsafe.SliceData(s) }
func cString(s string) *byte           { return first(append([]byte(s), 0)) }

// resultError copies a C string; nil where there is none.
func resultError(ptr unsafe.Pointer) error {
	if ptr == nil {
		return nil
	}
	n := 0
	for *(*byte)(unsafe.Add(ptr, n)) != 0 {
		n++
	}
	return newException(string(unsafe.Slice((*byte)(ptr), n)))
}
