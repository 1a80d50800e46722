package listen

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Strict puts a listener's connections, which speak HTTP/1, before [net/http.Server] in
// such a way that a request whose end two programs could see in different places is
// answered 400 and ends its connection (RFC 9112 §6.1): one with both Content-Length and
// Transfer-Encoding, above all. net/http takes the Content-Length out of such a request
// before anybody can see it, and keeps the connection.
//
// What comes after such a request is never given to the server, so that nothing can be
// smuggled in it. It is not for servers whose handlers take over connections (WebSocket),
// nor for HTTP/2 without TLS.
func Strict(inner net.Listener) net.Listener { return strictListener{inner} }

type strictListener struct{ net.Listener }

// Accept waits for a connection.
func (l strictListener) Accept() (net.Conn, error) {
	one, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &strictConn{Conn: one}, nil
}

// strictConn gives its reader the bytes of one request at a time, so that what is said
// of a request is said when the one before it has been answered. net/http never reads
// side by side, and while a request is at work it reads at most one byte of the next.
type strictConn struct {
	net.Conn
	scanner scanner
	rest    []byte // read already, of the next request
}

// NetConn is the connection below.
func (c *strictConn) NetConn() net.Conn { return c.Conn }

// CloseWrite is for net/http, which says so that an answer is complete.
func (c *strictConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Read reads no further than to the end of a request.
func (c *strictConn) Read(data []byte) (int, error) {
	if c.scanner.at == atEnd {
		return 0, io.EOF
	}
	if len(c.rest) > 0 {
		n := copy(data, c.rest)
		used, err := c.follow(data[:n])
		c.rest = c.rest[used:]
		return used, err
	}
	n, err := c.Conn.Read(data)
	if n == 0 {
		return n, err
	}
	used, refused := c.follow(data[:n])
	if refused != nil {
		return 0, refused
	}
	if used < n {
		c.rest = append([]byte(nil), data[used:n]...)
		err = nil // comes again behind the rest
	}
	return used, err
}

// follow returns how much of p belongs to the request, or refuses the request.
func (c *strictConn) follow(p []byte) (int, error) {
	used, _, reason := c.scanner.scan(p)
	if reason == "" {
		return used, nil
	}
	c.refuse(reason)
	return 0, io.EOF
}

// refuseTimeout bounds the answer to somebody who does not read.
const refuseTimeout = 5 * time.Second

// refuse answers a request that the server never sees. The answers to those before it
// have been sent: a server reads a header only then.
func (c *strictConn) refuse(reason string) {
	body, err := json.Marshal(map[string]any{
		"type": "about:blank", "title": http.StatusText(http.StatusBadRequest), "status": http.StatusBadRequest, "detail": reason,
	})
	if err != nil || c.SetWriteDeadline(time.Now().Add(refuseTimeout)) != nil {
		return
	}
	_, _ = fmt.Fprintf(c.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	_ = c.CloseWrite() // who does not read it has lost nothing
}
