package h2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a connection that takes writes one by one, when it is told to.
type stuck struct {
	net.Conn
	gate   chan struct{} // a write happens for each value, all when closed
	mu     sync.Mutex
	got    bytes.Buffer
	writes int
	fail   error
	closed chan struct{}
	once   sync.Once
}

func newStuck() *stuck { return &stuck{gate: make(chan struct{}), closed: make(chan struct{})} }

func (s *stuck) Write(p []byte) (int, error) {
	select {
	case <-s.gate:
	case <-s.closed:
		return 0, net.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	s.writes++
	return s.got.Write(p)
}

func (s *stuck) Close() error { s.once.Do(func() { close(s.closed) }); return nil }

// SetWriteDeadline ends writes at the deadline, as a socket does.
func (s *stuck) SetWriteDeadline(t time.Time) error {
	time.AfterFunc(time.Until(t), func() { _ = s.Close() })
	return nil
}

func (s *stuck) SetReadDeadline(time.Time) error { return nil }

func TestGatheringKeepsEverythingInOrder(t *testing.T) {
	const writers, each = 8, 500
	near, far := net.Pipe()
	g := newGathering(near)
	received := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far)
		received <- b
	}()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				b := binary.BigEndian.AppendUint32(nil, uint32(w))
				if _, err := g.Write(binary.BigEndian.AppendUint32(b, uint32(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := g.Close(); err != nil { // leaves nothing behind
		t.Error(err)
	}
	next := make([]uint32, writers)
	b := <-received
	for ; len(b) >= 8; b = b[8:] {
		w, i := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if next[w] != i {
			t.Fatalf("writer %d: %d came where %d is due", w, i, next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d: %d of %d arrived", w, n, each)
		}
	}
}

func TestGatheringGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newStuck()
		g := newGathering(c)
		for range 100 {
			if _, err := g.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		close(c.gate)
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if c.got.Len() != 100 || c.writes != 2 {
			t.Errorf("%d bytes in %d writes, want 100 in 2: the first, and all that came meanwhile", c.got.Len(), c.writes)
		}
	})
}

// full makes a connection whose peer does not read, with no room left.
func full(t *testing.T) (*stuck, *gathering) {
	t.Helper()
	c := newStuck()
	g := newGathering(c)
	for range 2 { // one on its way, one waiting
		if _, err := g.Write(make([]byte, maxGathered)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	return c, g
}

func TestGatheringIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := full(t)
		wrote := make(chan error, 1)
		go func() {
			_, err := g.Write([]byte("x"))
			wrote <- err
		}()
		synctest.Wait()
		select {
		case err := <-wrote:
			t.Fatalf("a write beyond the bound did not wait (%v)", err)
		default:
		}
		c.gate <- struct{}{} // room
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		close(c.gate)
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestGatheringWaitsNoLongerThan(t *testing.T) {
	t.Run("its deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, g := full(t)
			if err := g.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Error(err)
			}
			begin := time.Now()
			if _, err := g.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("err = %v", err)
			}
			if took := time.Since(begin); took != 5*time.Second {
				t.Errorf("waited %v", took)
			}
			_ = g.Close()
		})
	})
	t.Run("Close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, g := full(t)
			wrote := make(chan error, 1)
			go func() {
				_, err := g.Write([]byte("x"))
				wrote <- err
			}()
			synctest.Wait()
			begin := time.Now()
			_ = g.Close()
			if err := <-wrote; err == nil {
				t.Error("a write succeeded on a closed connection")
			}
			if took := time.Since(begin); took > closeWait {
				t.Errorf("closing took %v with a peer that does not read", took)
			}
			if _, err := g.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write after Close: %v", err)
			}
			if err := g.Close(); err != nil {
				t.Errorf("the second Close: %v", err)
			}
		})
	})
}

func TestGatheringTellsOfAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newStuck()
		c.fail = errors.New("cable cut")
		close(c.gate)
		g := newGathering(c)
		_, _ = g.Write([]byte("x"))
		synctest.Wait()
		if _, err := g.Write([]byte("y")); !errors.Is(err, c.fail) {
			t.Errorf("err = %v, want that of the write before", err)
		}
		select {
		case <-c.closed: // so that whoever reads hears of it
		default:
			t.Error("the connection stays open")
		}
		_ = g.Close()
	})
}
