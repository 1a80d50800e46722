package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"chatbell/internal/listen"
)

// Config is what a front is made of. TLS and Configure may be left out.
type Config struct {
	// Address is host:port; Key is the configuration key that it comes from, Flag the
	// command's flag, if there is one: for errors.
	Address   string
	Key, Flag string
	// TLS has the certificates; nil means none. Only without it is the framing of HTTP/1
	// as strict as [listen.Strict] has it.
	TLS *tls.Config
	// Configure may change the server before it serves: other bounds, or HTTP/2 without TLS
	// by its Protocols.
	Configure func(*http.Server)
	// Limiter bounds the connections of all fronts of the process together.
	Limiter *listen.Limiter
	// Starting answers until something else is shown.
	Starting http.Handler
	Log      *slog.Logger
}

// Front is an open port. From the moment in which it is opened it answers, so that
// nobody's probe hangs in a long start.
type Front struct {
	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	log      *slog.Logger
	ended    chan struct{} // closed when the server has ended
	err      error         // why, once ended is closed
}

// Open binds the address and starts to answer. It must be closed.
func Open(ctx context.Context, cfg Config) (*Front, error) {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", cfg.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: another program uses that port: stop it, or set %s to a free one", cfg.Address, strings.TrimSpace(cfg.Key+" "+cfg.Flag))
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (configuration key %s): %w", cfg.Address, cfg.Key, err)
	}
	front := &Front{listener: listener, log: cfg.Log, ended: make(chan struct{})}
	front.Show(cfg.Starting)
	front.server = NewServer(front)
	if cfg.Configure != nil {
		cfg.Configure(front.server)
	}
	cfg.Limiter.Attach(front.server)
	front.server.TLSConfig = cfg.TLS
	go func() {
		defer close(front.ended)
		front.err = front.serve(cfg.Limiter.Listen(listener))
	}()
	return front, nil
}

// serve answers until the server is closed.
func (f *Front) serve(from net.Listener) error {
	p := f.server.Protocols
	switch {
	case f.server.TLSConfig != nil:
		return f.server.ServeTLS(from, "", "")
	case p != nil && p.UnencryptedHTTP2():
		return f.server.Serve(from)
	}
	return f.server.Serve(listen.Strict(from))
}

// Addr is where it listens.
func (f *Front) Addr() string { return f.listener.Addr().String() }

// Show replaces what answers.
func (f *Front) Show(h http.Handler) { f.handler.Store(&h) }

// ServeHTTP answers with what is shown.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*f.handler.Load()).ServeHTTP(w, r)
}

// Run returns when the context has ended and the requests under way are answered, or
// are cut off after the grace.
func (f *Front) Run(ctx context.Context, grace time.Duration) error {
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
	return f.Close()
}

// Close cuts off what is under way. Closing again does nothing.
func (f *Front) Close() error {
	err := f.server.Close()
	<-f.ended
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}
