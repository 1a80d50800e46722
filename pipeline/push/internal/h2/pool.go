// Package h2 keeps a bounded number of connections to one push service and sends
// requests over them.
//
// The client of net/http opens a connection for every request that finds no free
// stream, hundreds in a burst, which a push service takes for an attack. A [Pool]
// opens at most a fixed number, uses each for a fixed number of requests at a time,
// and opens the next only when those before are full. Its requests are sent once: a
// request is repeated only where the other side has said that it did not look at it
// (GOAWAY, REFUSED_STREAM).
//
// A Pool is safe for concurrent use. Close waits for every goroutine of its own.
package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Config says where a Pool connects to. TLS and a zero limit have useful defaults.
type Config struct {
	// URL is scheme and host, for example https://api.push.apple.com.
	URL *url.URL
	TLS *tls.Config
	// Conns bounds the connections, Streams the requests under way on each.
	Conns, Streams int
	// HTTP1 lets a server speak HTTP/1.1, with one request at a time on each connection.
	HTTP1 bool
}

const (
	// dialTimeout is long enough for a lost SYN and its repeat after 1 s and 3 s, and
	// shorter than the bound of one send, so that the cause is told and not the bound.
	dialTimeout = 5 * time.Second
	// A silent connection is asked after pingAfter and given up pingWait later: well
	// within the bound of one send, where the library's own 30 s are not.
	pingAfter = 5 * time.Second
	pingWait  = 3 * time.Second
	// idleTimeout ends connections that nobody used for long. Providers want few and
	// long-lived ones; two minutes is below what middleboxes forget first.
	idleTimeout = 2 * time.Minute
	// failHold is how long a failed dial answers for the next: without it a provider
	// that is down would see a dial for every push.
	failHold = 100 * time.Millisecond
	// maxAnswer bounds an answer's body. Real ones have a few hundred bytes.
	maxAnswer = 64 << 10
	// maxRepeats bounds the repeats of a request which the server did not look at. A
	// server that goes on refusing is treated as unavailable.
	maxRepeats = 3
)

// Pool holds the connections to one host.
type Pool struct {
	transport    *http.Transport
	scheme, addr string
	maxConns     int
	perConn      int

	ctx    context.Context //nolint:containedctx // ends the pool's own dials at Close; no request uses it
	cancel context.CancelFunc
	wg     sync.WaitGroup // dials

	mu      sync.Mutex
	conns   []*conn
	leaving []*conn // take no more requests, but have some under way
	dialing int
	failErr error // of the last dial, nil once one succeeds
	failAt  time.Time
	fails   int
	closed  bool

	wait waitList
}

// conn is one connection with the number of our requests on it.
type conn struct {
	cc     *http.ClientConn
	inUse  int
	hooked bool
}

// NewPool makes a pool; it connects when the first request comes.
func NewPool(cfg Config) *Pool {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetHTTP1(cfg.HTTP1)
	port := cfg.URL.Port()
	if port == "" {
		port = cfg.URL.Scheme
	}
	pool := &Pool{
		transport: &http.Transport{
			DialContext:         dial,
			Protocols:           protocols,
			TLSClientConfig:     cfg.TLS,
			TLSHandshakeTimeout: dialTimeout,
			IdleConnTimeout:     idleTimeout,
			DisableCompression:  true, // answers are tiny
			HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait},
		},
		scheme:   cfg.URL.Scheme,
		addr:     net.JoinHostPort(cfg.URL.Hostname(), port),
		maxConns: cfg.Conns,
		perConn:  cfg.Streams,
	}
	pool.ctx, pool.cancel = context.WithCancel(context.Background())
	return pool
}

// Streams is how many requests can be under way.
func (p *Pool) Streams() int { return p.maxConns * p.perConn }

// Close ends all connections, also those in use, and waits for the pool's own
// goroutines. Requests that are under way fail.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	conns := slices.Concat(p.conns, p.leaving)
	p.conns = nil
	p.leaving = nil
	p.mu.Unlock()
	p.cancel()
	for _, link := range conns {
		_ = link.cc.Close() // it is going away; nobody can act on a failure
	}
	p.wait.wakeAll()
	p.wg.Wait()
	return nil
}

// RoundTrip sends one request and reads the whole answer, so that the stream is free
// again when it returns. It implements http.RoundTripper. A *NotSentError says that
// the other side has seen nothing of the request.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	for repeats := 0; ; repeats++ {
		link, err := p.acquire(req.Context())
		if err != nil {
			return nil, &NotSentError{Err: err}
		}
		resp, err := link.roundTrip(req)
		again := err != nil && unprocessed(err)
		p.release(link, unusable(err))
		if !again {
			return resp, err
		}
		if repeats == maxRepeats || req.GetBody == nil {
			return nil, &NotSentError{Err: err}
		}
		repeat := *req
		if repeat.Body, err = req.GetBody(); err != nil {
			return nil, &NotSentError{Err: err}
		}
		req = &repeat
	}
}

// roundTrip sends on this connection and reads the answer into memory. When the
// status has come but the body breaks off, it returns both answer and error.
func (c *conn) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.cc.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

var errClosed = errors.New("the provider was closed")

// acquire finds a connection with room and takes a place on it, or waits for one.
func (p *Pool) acquire(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	link := p.take()
	fails := p.fails
	p.mu.Unlock()
	if link != nil {
		return link, nil
	}
	// From here on a place that becomes free wakes this request. Registering comes
	// before looking again, or a place that became free in between were missed.
	waiting := p.wait.add()
	defer p.wait.remove(waiting)
	for {
		one, err := p.takeOrDial(fails)
		if !errors.Is(err, errNoPlace) {
			return one, err
		}
		select {
		case <-waiting.woken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take takes a place on the first connection that has one, and forgets connections
// that have ended. It holds p.mu.
//
// Places are counted here and not with the connection's own Reserve: when a server
// lowers its limit below the number of reservations, net/http (Go 1.26) lets each
// wait for the others for ever. A request too many merely waits within RoundTrip.
func (p *Pool) take() *conn {
	for i := 0; i < len(p.conns); i++ {
		link := p.conns[i]
		// What the server allows, in this order: a request that ends in between counts
		// twice, which does no harm, and not as none, which would look like an end.
		allowed := link.cc.InFlight() + link.cc.Available()
		switch {
		case link.inUse < min(p.perConn, allowed):
			link.inUse++
			return link
		case link.cc.Err() != nil, allowed == 0 && link.inUse == 0:
			p.forget(link)
			i--
		case link.inUse < p.perConn && !link.hooked:
			// The server allows fewer than we would like, and may come to allow more.
			link.hooked = true
			link.cc.SetStateHook(func(*http.ClientConn) { p.wait.wake() })
		}
	}
	return nil
}

// forget takes a connection out that takes no more requests, and ends it when none is
// under way on it any more. It holds p.mu.
func (p *Pool) forget(link *conn) {
	p.conns = without(p.conns, link)
	p.leaving = without(p.leaving, link)
	if link.inUse > 0 {
		p.leaving = append(p.leaving, link)
		return
	}
	_ = link.cc.Close() // it is of no use whatever this says
}

func without(list []*conn, c *conn) []*conn {
	return slices.DeleteFunc(list, func(o *conn) bool { return o == c })
}

// errNoPlace says that a request has to wait: a place will become free, or a dial end.
var errNoPlace = errors.New("no place on a connection is free")

// takeOrDial takes a place, or starts a dial if the requests that wait are more than
// the dials under way will serve, and returns errNoPlace. Another error is that of a dial which failed since the
// caller began (after fails failures), when no connection is left to wait for.
func (p *Pool) takeOrDial(fails int) (*conn, error) {
	waiting := p.wait.len()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	if link := p.take(); link != nil {
		return link, nil
	}
	failed := p.failErr != nil && (p.fails > fails || time.Since(p.failAt) < failHold)
	if failed && p.dialing == 0 && len(p.conns) == 0 {
		return nil, p.failErr
	}
	if !failed && len(p.conns)+p.dialing < p.maxConns && waiting > p.dialing*p.perConn {
		p.dialing++
		p.wg.Go(p.connect)
	}
	return nil, errNoPlace
}

// connect opens one connection. It belongs to the pool and not to the request that
// asked for it: that one may give up while others still want the connection.
func (p *Pool) connect() {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	client, err := p.transport.NewClientConn(ctx, p.scheme, p.addr)
	p.mu.Lock()
	p.dialing--
	switch {
	case err != nil:
		p.failErr = err
		p.failAt = time.Now()
		p.fails++
	case p.closed:
		_ = client.Close() // nobody wants it any more
	default:
		p.failErr = nil
		p.conns = append(p.conns, &conn{cc: client})
	}
	p.mu.Unlock()
	p.wait.wakeAll()
}

// release gives a place back, on a connection that may have turned out to be of no
// more use.
func (p *Pool) release(c *conn, useless bool) {
	p.mu.Lock()
	c.inUse--
	if useless || c.inUse == 0 && slices.Contains(p.leaving, c) {
		p.forget(c)
	}
	p.mu.Unlock()
	p.wait.wake()
}
