package h2

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

// dial opens a connection that gathers what is written to it.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	one, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return newGathering(one), nil
}

// maxGathered bounds what waits to be written. It holds some 60 requests of one
// kibibyte; beyond that a slow receiver has to slow the writers down.
const maxGathered = 64 << 10

// closeWait is how long Close waits for what was written before to leave. A peer that
// does not read for so long does not get it.
const closeWait = time.Second

// gathering is a connection whose writes are collected while the one before is under
// way, and leave together. HTTP/2 writes each frame for itself, two a request; the
// system call for each of them costs more than everything else in a push.
//
// A failed write is told to the next Write, and ends the connection, so that those
// who wait for an answer hear of it. The goroutine ends with Close.
type gathering struct {
	net.Conn

	mu       sync.Mutex
	changed  sync.Cond // any of the fields below
	buf      []byte
	spare    []byte // the buffer that was written last, to be filled next
	err      error
	closing  bool
	deadline time.Time
	timer    *time.Timer // tells changed of the deadline
	done     chan struct{}
}

func newGathering(c net.Conn) *gathering {
	g := &gathering{Conn: c, done: make(chan struct{})}
	g.changed.L = &g.mu
	go g.write()
	return g
}

// Write takes p over. It waits only when too much is waiting already.
func (g *gathering) Write(data []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	late := func() bool { return !g.deadline.IsZero() && !time.Now().Before(g.deadline) }
	for g.err == nil && !g.closing && !late() && len(g.buf) > 0 && len(g.buf)+len(data) > maxGathered {
		g.changed.Wait()
	}
	switch {
	case late():
		return 0, os.ErrDeadlineExceeded
	case g.err != nil:
		return 0, g.err
	case g.closing:
		return 0, net.ErrClosed
	}
	g.buf = append(g.buf, data...)
	g.changed.Broadcast()
	return len(data), nil
}

// write is the goroutine that writes what was gathered.
func (g *gathering) write() {
	defer close(g.done)
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		for len(g.buf) == 0 && !g.closing {
			g.changed.Wait()
		}
		if len(g.buf) == 0 || g.err != nil {
			return
		}
		// Whoever is about to write gets the chance to: one more turn of the scheduler is
		// cheaper than one more system call.
		g.mu.Unlock()
		runtime.Gosched()
		g.mu.Lock()
		batch := g.buf
		g.buf = g.spare[:0]
		g.spare = nil
		g.changed.Broadcast() // there is room
		g.mu.Unlock()
		_, err := g.Conn.Write(batch)
		g.mu.Lock()
		g.spare = batch
		if err != nil {
			g.err = err
			_ = g.Conn.Close() // readers learn of it that way
			g.changed.Broadcast()
		}
	}
}

// Close writes what is waiting, within a bound, and ends the connection.
func (g *gathering) Close() error {
	g.mu.Lock()
	if g.closing {
		g.mu.Unlock()
		<-g.done
		return nil
	}
	g.closing = true
	if g.timer != nil {
		g.timer.Stop()
	}
	g.changed.Broadcast()
	g.mu.Unlock()
	_ = g.Conn.SetWriteDeadline(time.Now().Add(closeWait)) // fails only where the connection has ended
	<-g.done
	return g.Conn.Close()
}

// SetDeadline sets both deadlines.
func (g *gathering) SetDeadline(t time.Time) error {
	return errors.Join(g.SetReadDeadline(t), g.SetWriteDeadline(t))
}

// SetWriteDeadline bounds how long Write waits for room. What was taken over before
// is written all the same: crypto/tls sets a deadline in the past right after its
// goodbye, which must not stop the goodbye from leaving.
func (g *gathering) SetWriteDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return net.ErrClosed
	}
	if g.timer != nil {
		g.timer.Stop()
	}
	g.deadline = t
	if !t.IsZero() {
		g.timer = time.AfterFunc(time.Until(t), func() {
			g.mu.Lock() // or it might tell between the look at the clock and the wait
			defer g.mu.Unlock()
			g.changed.Broadcast()
		})
	}
	return nil
}
