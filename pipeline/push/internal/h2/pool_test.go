package h2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/pipeline/push/internal/h2"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a server that counts.
type service struct {
	*httptest.Server
	conns, now, most atomic.Int64
	hold             chan struct{}
}

func newService(t *testing.T, change func(*httptest.Server)) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		now := s.now.Add(1)
		defer s.now.Add(-1)
		for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
			continue // another request has raised it
		}
		if s.hold != nil {
			select {
			case <-s.hold:
			case <-r.Context().Done():
			}
		}
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	if change != nil {
		change(s.Server)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func newPool(t *testing.T, addr string, roots *x509.CertPool, conns, streams int) *h2.Pool {
	t.Helper()
	u, err := url.Parse(addr)
	if err != nil {
		t.Fatal(err)
	}
	p := h2.NewPool(h2.Config{
		URL: u, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Conns: conns, Streams: streams, HTTP1: true,
	})
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func (s *service) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func post(ctx context.Context, p *h2.Pool, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, addr, bytes.NewReader([]byte("body")))
	if err != nil {
		return err
	}
	resp, err := p.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// postAll posts n times at once; it returns the errors.
func postAll(t *testing.T, p *h2.Pool, addr string, n int) []error {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = post(t.Context(), p, addr) })
	}
	wg.Wait()
	return errs
}

func none(t *testing.T, errs []error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// A server that allows less than we would like is obeyed, and nobody is forgotten.
func TestServerSetsTheLimit(t *testing.T) {
	s := newService(t, func(s *httptest.Server) { s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 3} })
	p := newPool(t, s.URL, s.roots(), 1, 100)
	for range 5 {
		none(t, postAll(t, p, s.URL, 60))
	}
	if most := s.most.Load(); most > 3 {
		t.Errorf("%d requests at a time, 3 allowed", most)
	}
	if conns := s.conns.Load(); conns != 1 {
		t.Errorf("%d connections", conns)
	}
}

func TestOwnLimits(t *testing.T) {
	s := newService(t, nil)
	p := newPool(t, s.URL, s.roots(), 3, 2)
	none(t, postAll(t, p, s.URL, 200))
	if most, conns := s.most.Load(), s.conns.Load(); most > 6 || conns > 3 {
		t.Errorf("%d requests at a time on %d connections, want at most 6 on 3", most, conns)
	}
}

// A connection that the server says is full makes the pool open the next.
func TestFullConnectionOpensTheNext(t *testing.T) {
	s := newService(t, func(s *httptest.Server) { s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 3} })
	p := newPool(t, s.URL, s.roots(), 2, 100)
	none(t, postAll(t, p, s.URL, 1)) // its answer brings the limit
	s.hold = make(chan struct{})
	done := make(chan []error, 1)
	go func() { done <- postAll(t, p, s.URL, 4) }()
	if !polltest.Wait(t, func() bool { return s.now.Load() == 4 }) {
		t.Errorf("%d requests at a time, want 4", s.now.Load())
	}
	close(s.hold)
	none(t, <-done)
}

// A server that comes to allow more gets more.
func TestServerRaisesTheLimit(t *testing.T) {
	arrived := make(chan struct{}, 2)
	addr, roots := framer(t, func(f *http2.Framer, _, stream int, id uint32) bool {
		arrived <- struct{}{}
		if stream == 1 {
			// The second request comes meanwhile, and has to wait.
			<-time.After(50 * time.Millisecond)
			return f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 10}) != nil
		}
		return ok(f, 1) || ok(f, id)
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
	p := newPool(t, addr, roots, 1, 100)
	first := make(chan error, 1)
	go func() { first <- post(t.Context(), p, addr) }()
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), polltest.Patience)
	defer cancel()
	if err := post(ctx, p, addr); err != nil {
		t.Fatalf("the second request: %v", err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// Little traffic stays on one connection.
func TestOpensNoMoreThanNeeded(t *testing.T) {
	s := newService(t, nil)
	p := newPool(t, s.URL, s.roots(), 4, 10)
	for range 20 {
		none(t, postAll(t, p, s.URL, 10))
	}
	if conns := s.conns.Load(); conns != 1 {
		t.Errorf("%d connections for ten requests at a time", conns)
	}
}

func TestHTTP1(t *testing.T) {
	s := newService(t, func(s *httptest.Server) { s.EnableHTTP2 = false })
	p := newPool(t, s.URL, s.roots(), 3, 100)
	none(t, postAll(t, p, s.URL, 50))
	none(t, postAll(t, p, s.URL, 50))
	if conns := s.conns.Load(); conns > 3 {
		t.Errorf("%d connections, want at most 3", conns)
	}
}

func TestPlainHTTP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	none(t, postAll(t, newPool(t, s.URL, nil, 2, 100), s.URL, 20))
}

// A request that waits for a place can give up, and harms nobody by it.
func TestGivingUp(t *testing.T) {
	s := newService(t, nil)
	s.hold = make(chan struct{})
	p := newPool(t, s.URL, s.roots(), 1, 1)
	first := make(chan error, 1)
	go func() { first <- post(t.Context(), p, s.URL) }()
	polltest.Until(t, "the first request arrives", func() bool { return s.now.Load() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := post(ctx, p, s.URL)
	var notSent *h2.NotSentError
	if !errors.As(err, &notSent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want not sent, deadline exceeded", err)
	}
	close(s.hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
	none(t, postAll(t, p, s.URL, 3))
}

// A server that fails every handshake sees few of them, however much is to be sent.
func TestFailedDialsAreShared(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var dials atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			dials.Add(1)
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	addr := "https://" + l.Addr().String()
	p := newPool(t, addr, nil, 4, 100)
	begin := time.Now()
	for range 5 {
		for _, err := range postAll(t, p, addr, 100) {
			var notSent *h2.NotSentError
			if !errors.As(err, &notSent) {
				t.Fatalf("err = %v, want not sent", err)
			}
		}
	}
	// One for each time that a failure is held, and one more for the beginning.
	if got, limit := dials.Load(), int64(time.Since(begin)/(100*time.Millisecond))+2; got > limit {
		t.Errorf("%d dials in %v, want at most %d", got, time.Since(begin), limit)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	s := newService(t, nil)
	s.hold = make(chan struct{})
	t.Cleanup(func() { close(s.hold) })
	p := newPool(t, s.URL, s.roots(), 1, 2)
	failed := make(chan error, 10)
	for range 10 { // two on their way, eight waiting
		go func() { failed <- post(t.Context(), p, s.URL) }()
	}
	polltest.Until(t, "two requests arrive", func() bool { return s.now.Load() == 2 })
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for range 10 {
		if err := polltest.Receive(t, "a request on a closed pool ends", failed); err == nil {
			t.Error("a request succeeded on a closed pool")
		}
	}
}

// framer is a server made of frames, for what a well-behaved one does not do. For
// each stream it calls answer, and hangs up when that says so.
func framer(t *testing.T, answer func(f *http2.Framer, conn, stream int, id uint32) (hangUp bool), settings ...http2.Setting) (addr string, roots *x509.CertPool) {
	t.Helper()
	borrowed := httptest.NewUnstartedServer(http.NotFoundHandler()) // for its certificate
	borrowed.StartTLS()
	cert := borrowed.TLS.Certificates[0]
	roots = x509.NewCertPool()
	roots.AddCert(borrowed.Certificate())
	borrowed.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for conn := 1; ; conn++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(c, conn, answer, settings) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return "https://" + l.Addr().String(), roots
}

func serve(c net.Conn, conn int, answer func(f *http2.Framer, conn, stream int, id uint32) (hangUp bool), settings []http2.Setting) {
	defer c.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	f := http2.NewFramer(c, c)
	_ = f.WriteSettings(settings...)
	for stream := 0; ; {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				_ = f.WritePing(true, frame.Data)
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				stream++
				if answer(f, conn, stream, frame.StreamID) {
					return
				}
			}
		}
	}
}

func ok(f *http2.Framer, id uint32) (hangUp bool) {
	var b bytes.Buffer
	_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	return f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: b.Bytes(), EndStream: true, EndHeaders: true,
	}) != nil
}

// What the server says it did not look at is sent again; it gets through once.
func TestUnprocessedIsSentAgain(t *testing.T) {
	t.Run("refused stream", func(t *testing.T) {
		addr, roots := framer(t, func(f *http2.Framer, _, stream int, id uint32) bool {
			if stream < 3 {
				return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) != nil
			}
			return ok(f, id)
		})
		if err := post(t.Context(), newPool(t, addr, roots, 1, 10), addr); err != nil {
			t.Error(err)
		}
	})
	t.Run("goaway", func(t *testing.T) {
		addr, roots := framer(t, func(f *http2.Framer, conn, _ int, id uint32) bool {
			if conn == 1 {
				return f.WriteGoAway(id-1, http2.ErrCodeNo, []byte("secret")) != nil
			}
			return ok(f, id)
		})
		if err := post(t.Context(), newPool(t, addr, roots, 1, 10), addr); err != nil {
			t.Error(err)
		}
	})
	t.Run("refused for ever", func(t *testing.T) {
		var seen atomic.Int64
		addr, roots := framer(t, func(f *http2.Framer, _, _ int, id uint32) bool {
			seen.Add(1)
			return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) != nil
		})
		err := post(t.Context(), newPool(t, addr, roots, 1, 10), addr)
		var notSent *h2.NotSentError
		if !errors.As(err, &notSent) || seen.Load() > 4 {
			t.Errorf("err = %v after %d requests, want not sent, at most 4", err, seen.Load())
		}
	})
}

// What the server may have looked at is sent once.
func TestProcessedIsNotSentAgain(t *testing.T) {
	for name, code := range map[string]http2.ErrCode{"cancel": http2.ErrCodeCancel, "internal": http2.ErrCodeInternal} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int64
			addr, roots := framer(t, func(f *http2.Framer, _, _ int, id uint32) bool {
				seen.Add(1)
				return f.WriteRSTStream(id, code) != nil
			})
			err := post(t.Context(), newPool(t, addr, roots, 1, 10), addr)
			checkUnknown(t, err, seen.Load())
		})
	}
	t.Run("goaway after it", func(t *testing.T) {
		var seen atomic.Int64
		addr, roots := framer(t, func(f *http2.Framer, _, _ int, id uint32) bool {
			seen.Add(1)
			_ = f.WriteGoAway(id, http2.ErrCodeProtocol, []byte("secret"))
			return true
		})
		checkUnknown(t, post(t.Context(), newPool(t, addr, roots, 1, 10), addr), seen.Load())
	})
}

func checkUnknown(t *testing.T, err error, seen int64) {
	t.Helper()
	if err == nil || seen != 1 {
		t.Fatalf("err = %v after %d requests, want an error after one", err, seen)
	}
	var se *chatbell.SendError
	if !errors.As(h2.Failure(t.Context(), "push", err), &se) || !se.FateUnknown || !se.Retry || se.Reason != chatbell.Unavailable {
		t.Errorf("failure = %+v, want unavailable with unknown fate", se)
	}
	if bytes.Contains([]byte(se.Error()), []byte("secret")) {
		t.Errorf("the error tells what the server wrote: %v", se)
	}
}
