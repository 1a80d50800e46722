package engine

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const (
	// headerWait is how long a request's header may take. A megabyte of it, which only a
	// query in the address needs, takes no longer on a slow line.
	headerWait = 10 * time.Second
	// keepAliveSlack is how much longer a connection is kept than its client is told, so
	// that a request which is sent at the last moment is not lost.
	keepAliveSlack = time.Second
)

// server is the engine behind its HTTP interface.
type server struct {
	handler  atomic.Pointer[handler] // nil until the data is open
	lib      *library
	lock     *os.File
	listener net.Listener
}

// http is the server before it serves.
func (s *server) http(keepAlive time.Duration) *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerWait,
		IdleTimeout:       keepAlive + keepAliveSlack,
		MaxHeaderBytes:    1 << 20, // ClickHouse's own limit for a query in the address
	}
}

// ServeHTTP answers in the place of the handler until the data is open.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	// The deadline of the connection's last answer may be over. That for reading is lifted
	// when the query is read.
	_ = control.SetWriteDeadline(time.Now().Add(readWait)) // every connection has deadlines
	_ = control.SetReadDeadline(time.Now().Add(textWait))
	if serving := s.handler.Load(); serving != nil {
		serving.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, "ClickHouse is opening its data; try again in a moment.", http.StatusServiceUnavailable)
}

// stop lets the requests under way finish. Inserts take milliseconds. An analyst's query,
// which may take a minute, is stopped at the same moment.
func stop(ctx context.Context, srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close()
	}
}
