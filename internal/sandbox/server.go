package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chatbell"
)

// Config says how to run a sandbox. Only Dir is needed.
type Config struct {
	// Listen is the address of the plain HTTP listener; empty means 127.0.0.1:0. With a
	// port, APNs listens on the next one and FCM on the one after.
	Listen string
	// Dir is where keys and certificates are written; it is made if need be.
	Dir string
	// Keep bounds what is kept of what arrived; 0 means 100,000, some 100 MB.
	Keep int
	// CountOnly keeps nothing and looks into no payload.
	CountOnly bool
	// CountIDs counts how often each notification (a device and a collapse id) and each
	// webhook-id arrived, to find repeats; at some 50 bytes each, up to 4 million.
	CountIDs bool
	// Topics are the apps that APNs knows; empty means any.
	Topics []string
	// HookSecrets are the secrets of webhooks by name; others use Credentials.HookSecret.
	HookSecrets map[string]string
	// Logger takes what goes wrong inside; nil means none.
	Logger *slog.Logger
}

const defaultKeep = 100_000

// Server is a running sandbox. Make one with [Start].
type Server struct {
	cfg      Config
	creds    Credentials
	keys     *keys
	apnsAuth *apnsAuth
	fcmAuth  *fcmAuth
	failures failures
	arrivals *arrivals
	stats    stats
	messages atomic.Int64 // keeps the names of FCM's messages apart
	buffers  sync.Pool    // of *[]byte, for payloads while they are looked at
	log      *slog.Logger

	servers []*http.Server
	cancel  context.CancelFunc
	serving sync.WaitGroup

	gate     sync.RWMutex // orders handlers.Add before handlers.Wait
	closed   bool
	handlers sync.WaitGroup
}

// The streams that the services announce for one connection.
const (
	apnsStreams = 1000
	fcmStreams  = 100
)

// Start starts a sandbox. It runs until Close, or until the context ends and Close
// is called: the context ends what hangs.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	srv := &Server{cfg: cfg, log: cfg.Logger, arrivals: newArrivals(cfg.Keep)}
	srv.buffers.New = func() any { b := make([]byte, 0, maxPayload+1); return &b }
	if srv.log == nil {
		srv.log = slog.New(slog.DiscardHandler)
	}
	srv.stats.reset(cfg.CountIDs)
	listeners, err := listen(ctx, cfg.Listen)
	if err != nil {
		return nil, err
	}
	if err := srv.prepare(listeners); err != nil {
		return nil, errors.Join(err, closeAll(listeners))
	}
	ctx, srv.cancel = context.WithCancel(ctx)
	srv.serve(ctx, listeners[0], &srv.stats.webhook, srv.controlMux(), 0)
	srv.serve(ctx, listeners[1], &srv.stats.apns, http.HandlerFunc(srv.apns), apnsStreams)
	srv.serve(ctx, listeners[2], &srv.stats.fcm, srv.fcmMux(), fcmStreams)
	return srv, nil
}

// prepare makes what the handlers need, once the addresses are known.
func (s *Server) prepare(listeners []net.Listener) (err error) {
	dir, err := filepath.Abs(s.cfg.Dir)
	if err != nil || s.cfg.Dir == "" {
		return fmt.Errorf("sandbox: a folder for the keys is needed, not %q", s.cfg.Dir)
	}
	if s.keys, err = loadKeys(dir); err != nil {
		return err
	}
	host := reachable(listeners[0])
	addressOf := func(l net.Listener) string {
		return net.JoinHostPort(host, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)) //nolint:forcetypeassert // it listens on TCP
	}
	s.creds = Credentials{
		CAFile:      filepath.Join(dir, caFile),
		APNsURL:     "https://" + addressOf(listeners[1]),
		APNsKeyFile: filepath.Join(dir, apnsKeyFile),
		APNsKeyID:   apnsKeyID,
		APNsTeamID:  apnsTeamID,
		FCMURL:      "https://" + addressOf(listeners[2]),
		FCMFile:     filepath.Join(dir, fcmFile),
		FCMProject:  fcmProject,
		URL:         "http://" + addressOf(listeners[0]),
		HookSecret:  s.keys.hookSecret,
		network:     host,
	}
	tokenURI := s.creds.FCMURL + "/token"
	if err := s.keys.writeServiceAccount(dir, tokenURI); err != nil {
		return err
	}
	s.apnsAuth = newAPNsAuth(&s.keys.apns.PublicKey)
	s.fcmAuth = newFCMAuth(&s.keys.fcm.PublicKey, tokenURI)
	cert, err := s.keys.certificate(host)
	if err != nil {
		return err
	}
	for i := 1; i < len(listeners); i++ {
		listeners[i] = tls.NewListener(listeners[i], &tls.Config{
			Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		})
	}
	return nil
}

// reachable is the address under which a client on this machine finds a listener.
func reachable(l net.Listener) string {
	addr := l.Addr().(*net.TCPAddr).IP //nolint:forcetypeassert // it listens on TCP
	if addr.IsUnspecified() {
		return "127.0.0.1"
	}
	return addr.String()
}

// listen opens the three listeners, next to each other if the port is fixed.
func listen(ctx context.Context, address string) ([]net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("sandbox: listen on %q: write host:port: %w", address, err)
	}
	first, err := strconv.ParseUint(port, 10, 16)
	if err != nil || first > 65533 {
		return nil, fmt.Errorf("sandbox: listen on %q: the port must be a number that leaves room for the two after it", address)
	}
	var out []net.Listener
	var listening net.ListenConfig
	for i := range uint64(3) {
		p := first
		if first != 0 {
			p += i
		}
		at := net.JoinHostPort(host, strconv.FormatUint(p, 10))
		listener, err := listening.Listen(ctx, "tcp", at)
		if err != nil {
			return nil, errors.Join(listenError(at, err), closeAll(out))
		}
		out = append(out, listener)
	}
	return out, nil
}

// listenError says what to do when a port is taken.
func listenError(at string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("sandbox: another program listens on %s: stop it, or start the sandbox at another address (--listen), where three ports in a row are free", at)
	}
	return fmt.Errorf("sandbox: listen on %s: %w", at, err)
}

func closeAll(l []net.Listener) error {
	errs := make([]error, len(l))
	for i := range l {
		errs[i] = l[i].Close()
	}
	return errors.Join(errs...)
}

func (s *Server) serve(ctx context.Context, listener net.Listener, count *service, h http.Handler, streams int) {
	srv := &http.Server{
		Handler:           s.tracked(h),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 30 * time.Second,
		// Clients that go away in a handshake are not worth a line.
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: count.connState,
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: streams},
	}
	s.servers = append(s.servers, srv)
	s.serving.Go(func() {
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("sandbox listener ended", "address", listener.Addr().String(), "error", err)
		}
	})
}

// tracked lets Close wait for the handlers, which net/http does not.
func (s *Server) tracked(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.gate.RLock()
		if s.closed {
			s.gate.RUnlock()
			panic(http.ErrAbortHandler)
		}
		s.handlers.Add(1)
		s.gate.RUnlock()
		defer s.handlers.Done()
		handler.ServeHTTP(w, r)
	})
}

// Close stops listening, breaks the connections and waits for what is under way.
func (s *Server) Close() error {
	s.gate.Lock()
	s.closed = true
	s.gate.Unlock()
	s.cancel()
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.Close())
	}
	s.serving.Wait()
	s.handlers.Wait()
	return errors.Join(errs...)
}

// Credentials are what a chatbell configuration needs to use this sandbox.
func (s *Server) Credentials() Credentials { return s.creds }

// NetworkKey is the file with the API key of a network, for YAML as file:PATH. The key
// is made once, as the other keys of the folder are.
func (s *Server) NetworkKey(id chatbell.NetworkID) (path string, err error) {
	path = filepath.Join(filepath.Dir(s.creds.CAFile), string(id)+".key")
	_, err = loadSecret(path, func() string { return "cb_" + rand.Text() + rand.Text() })
	if err != nil {
		return "", fmt.Errorf("sandbox: API key of %s: %w", id, err)
	}
	return path, nil
}

// service counts one of the simulated services. Its counters are exact.
type service struct {
	requests, accepted, connections atomic.Int64
	first, last                     atomic.Int64 // Unix nanoseconds of acceptances

	mu      sync.Mutex
	refused map[string]int64
}

func (c *service) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.connections.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

func (c *service) accept(now time.Time) {
	n := now.UnixNano()
	c.first.CompareAndSwap(0, n)
	c.last.Store(n)
	c.accepted.Add(1)
}

func (c *service) refuse(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]int64{}
	}
	c.refused[reason]++
}
