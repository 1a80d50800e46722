package listen

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// conn is a connection with a place in its limiter's books.
type conn struct {
	net.Conn
	limiter *Limiter
	from    netip.Addr

	// The limiter's lock guards the rest.
	trust Trust
	busy  bool      // a request is under way
	since time.Time // when that changed last
	gone  bool
	in    *table        // nil when it is not to be closed for others
	at    *list.Element // in the table
}

// Close frees the connection's place.
func (c *conn) Close() error {
	c.limiter.mu.Lock()
	c.limiter.forget(c)
	c.limiter.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http say that an answer is complete before it closes a
// connection on which something is still to come.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// addressOf is what counts as one address.
func addressOf(remote net.Addr) netip.Addr {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Addr{} // a socket in the file system: all of them are one
	}
	return same(tcp.AddrPort().Addr())
}

// AddressOf is the address of a request, or of anything with a remote address as
// net/http writes it.
func AddressOf(remote string) netip.Addr {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return same(addr.Addr())
}

// same maps addresses that one owner has to one.
func same(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.Addr()
		}
	}
	return addr
}

type connKey struct{}

// Attach lets the limiter know what the server's connections do, and [Vouch] find them.
// It is called before the server serves.
func (l *Limiter) Attach(srv *http.Server) {
	before := srv.ConnContext
	state := srv.ConnState
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, c)
		}
		if ours := unwrap(c); ours != nil {
			ctx = context.WithValue(ctx, connKey{}, ours)
		}
		return ctx
	}
	srv.ConnState = func(c net.Conn, now http.ConnState) {
		if state != nil {
			state(c, now)
		}
		ours := unwrap(c)
		if ours == nil || now != http.StateActive && now != http.StateIdle {
			return
		}
		l.change(ours, func() {
			ours.busy = now == http.StateActive
			ours.since = time.Now()
		})
	}
}

// unwrap finds our connection below others: TLS, for example.
func unwrap(one net.Conn) *conn {
	for one != nil {
		if ours, ok := one.(*conn); ok {
			return ours
		}
		below, ok := one.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		one = below.NetConn()
	}
	return nil
}

// Vouch says that a request showed a credential that is right, so that its connection
// is not closed for those of strangers. The context is the request's. Where there is no
// limiter it does nothing.
func Vouch(ctx context.Context, trust Trust) {
	link, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		return
	}
	link.limiter.change(link, func() { link.trust = max(link.trust, trust) })
}
