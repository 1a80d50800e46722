package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"chatbell/handlers/native"
	"chatbell/internal/listen"
)

// front is where callers arrive. It answers from the moment in which the port is bound,
// so that nobody's probe hangs in a long start: until the API is there it says that the
// server lives and is not ready.
type front struct {
	listener net.Listener
	limiter  *listen.Limiter
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	log      *slog.Logger
	ended    chan struct{} // closed when the server has ended
	err      error         // why, once ended is closed
}

// openFront binds the API's address and starts to answer. It must be closed.
func openFront(ctx context.Context, address, version string, log *slog.Logger) (*front, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: another program uses that port: stop it, or set listen (--listen) to a free one", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (configuration key listen): %w", address, err)
	}
	f := &front{listener: l, limiter: listen.New(listen.Config{Logger: log}), log: log, ended: make(chan struct{})}
	f.show(native.Starting(version, ""))
	f.server = native.NewServer(f)
	f.limiter.Attach(f.server)
	go func() {
		defer close(f.ended)
		f.err = f.server.Serve(listen.Strict(f.limiter.Listen(l)))
	}()
	return f, nil
}

// show replaces what answers.
func (f *front) show(h http.Handler) { f.handler.Store(&h) }

// ServeHTTP answers with what is shown.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*f.handler.Load()).ServeHTTP(w, r)
}

// run returns when the context has ended and the requests under way are answered, or
// are cut off after the grace.
func (f *front) run(ctx context.Context, grace time.Duration) error {
	select {
	case <-f.ended:
		return fmt.Errorf("serve HTTP: %w", f.err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := f.server.Shutdown(stop); err != nil {
		// It is not the server's failure: anybody may send a request that never ends, and
		// nothing of it was accepted.
		f.log.Warn("some requests had not ended in time and were cut off; nothing of them was accepted", "error", err)
	}
	return f.close()
}

// close cuts off what is under way. Closing again does nothing.
func (f *front) close() error {
	err := f.server.Close()
	<-f.ended
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, f.limiter.Close())
}
