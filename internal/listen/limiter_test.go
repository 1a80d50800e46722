package listen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"
)

// house is a server behind a limiter. Its handler vouches for the header Trust, and
// with the header Stay it does not answer before the house lets it.
type house struct {
	t       *testing.T
	limiter *Limiter
	addr    string
	entered chan string   // the header Stay of each request that waits
	leave   chan struct{} // closed to let them go
}

func open(t *testing.T, bound int) *house {
	t.Helper()
	h := &house{t: t, limiter: New(Config{Max: bound}), entered: make(chan string, 1000), leave: make(chan struct{})}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = inner.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(h.serve), IdleTimeout: time.Minute}
	h.limiter.Attach(srv)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(h.limiter.Listen(inner)) }()
	t.Cleanup(func() {
		if err := errors.Join(srv.Close(), h.limiter.Close()); err != nil {
			t.Error(err)
		}
		<-done
	})
	return h
}

func (h *house) serve(w http.ResponseWriter, r *http.Request) {
	switch r.Header.Get("Trust") {
	case "user":
		Vouch(r.Context(), User)
	case "server":
		Vouch(r.Context(), Server)
	}
	if name := r.Header.Get("Stay"); name != "" {
		h.entered <- name
		select {
		case <-h.leave:
		case <-r.Context().Done():
			return
		}
	}
	_, _ = io.WriteString(w, "ok")
}

// guest is one connection.
type guest struct {
	net.Conn
	in *bufio.Reader
}

// from connects from an address of this machine.
func (h *house) from(address string) *guest {
	h.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 20 * time.Second}
	c, err := d.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		h.t.Fatal(err)
	}
	return &guest{c, bufio.NewReader(c)}
}

// send sends a request with headers; the error is the connection's.
func (g *guest) send(headers string) error {
	_, err := fmt.Fprintf(g, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", headers)
	return err
}

func (g *guest) answer() error {
	resp, err := http.ReadResponse(g.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func (g *guest) ask(headers string) error {
	if err := g.send(headers); err != nil {
		return err
	}
	return g.answer()
}

// stays sends a request that is not answered yet, and waits until it has come in.
func (h *house) stays(g *guest, name, headers string) {
	h.t.Helper()
	if err := g.send("Stay: " + name + "\r\n" + headers); err != nil {
		h.t.Fatal(err)
	}
	select {
	case got := <-h.entered:
		if got != name {
			h.t.Fatalf("%q came in, want %q", got, name)
		}
	case <-time.After(20 * time.Second):
		h.t.Fatalf("%q never came in", name)
	}
}

// idle waits until so many connections are idle: a server says so after the answer.
func (h *house) idle(want int) {
	h.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		h.limiter.mu.Lock()
		got := h.limiter.usersIdle.count + h.limiter.serversIdle.count + len(h.limiter.strangers.quiet(time.Now().Add(time.Hour)))
		h.limiter.mu.Unlock()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%d connections are idle, want %d", got, want)
		}
	}
}

// Strangers who hold ever more connections than there is room for keep nobody out who
// has a key, and do not cost a key's connection.
func TestStrangersMakeRoom(t *testing.T) {
	const bound = 16
	h := open(t, bound)
	var reused, fresh int
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if info.Reused {
			reused++
		} else {
			fresh++
		}
	}}
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for i := range 10 * bound {
		g := h.from("127.0.0.1")
		switch i % 3 {
		case 0: // says nothing
		case 1: // keeps its connection
			if err := g.ask(""); err != nil {
				t.Fatalf("stranger %d: %v", i, err)
			}
		case 2: // is in the middle of something
			h.stays(g, fmt.Sprint(i), "")
		}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), http.MethodGet, "http://"+h.addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Trust", "server")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("with a key, after %d strangers: %v", i, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if fresh != 1 || reused != 10*bound-1 {
		t.Errorf("the key's connection was made %d times and used again %d times", fresh, reused)
	}
	if err := h.from("127.0.0.1").ask(""); err != nil { // so that all before it were taken in
		t.Fatal(err)
	}
	if s := h.limiter.Stats(); s.Open != bound || s.Max != bound || s.Closed != 10*bound+2-bound || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

// Whoever holds most goes first: one caller of another address, in the middle of a
// request, outlives a flood.
func TestTheGreediestGoesFirst(t *testing.T) {
	h := open(t, 8)
	modest := h.from("127.0.0.3")
	h.stays(modest, "modest", "")
	for range 50 {
		h.from("127.0.0.2")
	}
	if err := h.from("127.0.0.4").ask(""); err != nil {
		t.Errorf("a newcomer: %v", err)
	}
	close(h.leave)
	if err := modest.answer(); err != nil {
		t.Errorf("the modest caller's request: %v", err)
	}
}

// Where every connection is a server's at work, a newcomer is closed at once, and none
// of them is touched.
func TestWorkIsNotInterrupted(t *testing.T) {
	h := open(t, 4)
	var guests []*guest
	for i := range 4 {
		g := h.from("127.0.0.1")
		h.stays(g, fmt.Sprint(i), "Trust: server\r\n")
		guests = append(guests, g)
	}
	if err := h.from("127.0.0.2").ask("Trust: server\r\n"); err == nil {
		t.Error("there was room for a fifth")
	}
	if s := h.limiter.Stats(); s.Refused != 1 || s.Open != 4 || s.Closed != 0 {
		t.Errorf("%+v", s)
	}
	close(h.leave)
	for i, g := range guests {
		if err := g.answer(); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if err := h.from("127.0.0.2").ask("Trust: server\r\n"); err != nil {
		t.Errorf("when there is room: %v", err)
	}
}

// Users who are all in the middle of something leave half of the room to servers.
func TestUsersLeaveRoomToServers(t *testing.T) {
	const bound = 8
	h := open(t, bound)
	users := make([]*guest, bound)
	for i := range users {
		users[i] = h.from("127.0.0.2")
		h.stays(users[i], fmt.Sprint(i), "Trust: user\r\n")
	}
	for i := range bound / 2 {
		h.stays(h.from("127.0.0.3"), fmt.Sprint("server ", i), "Trust: server\r\n")
	}
	if err := h.from("127.0.0.3").ask("Trust: server\r\n"); err == nil {
		t.Error("servers took more than half from users at work")
	}
	close(h.leave)
	left := 0
	for _, u := range users {
		if u.answer() == nil {
			left++
		}
	}
	if left != bound/2 {
		t.Errorf("%d users were left, want %d", left, bound/2)
	}
}

// A connection that ended frees its place, however it ended.
func TestPlacesAreFreed(t *testing.T) {
	h := open(t, 64)
	var wg sync.WaitGroup
	for i := range 200 {
		g := h.from("127.0.0.1")
		wg.Go(func() {
			_ = g.ask([]string{"", "Trust: user\r\n", "Trust: server\r\n", "Connection: close\r\n"}[i%4]) // may be closed for others
			g.Close()
		})
	}
	wg.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for h.limiter.Stats().Open > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", h.limiter.Stats())
		}
		h.from("127.0.0.1").Close()
	}
	l := h.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, table := range map[string]*table{"strangers": &l.strangers, "idle users": &l.usersIdle, "busy users": &l.usersBusy, "idle servers": &l.serversIdle} {
		if table.count != 0 || len(table.groups) != 0 || len(table.ranked) != 0 {
			t.Errorf("%s: %d in %d groups, %d ranked", name, table.count, len(table.groups), len(table.ranked))
		}
	}
}

// Near the bound what is idle goes sooner: strangers first, then users, servers not.
func TestIdleNearTheBound(t *testing.T) {
	h := open(t, 8)
	stranger, user, server := h.from("127.0.0.1"), h.from("127.0.0.1"), h.from("127.0.0.1")
	for guest, headers := range map[*guest]string{stranger: "", user: "Trust: user\r\n", server: "Trust: server\r\n"} {
		if err := guest.ask(headers); err != nil {
			t.Fatal(err)
		}
	}
	h.idle(3)
	h.limiter.shrink(time.Now().Add(time.Hour))
	if s := h.limiter.Stats(); s.Closed != 0 {
		t.Fatalf("far from the bound %d were closed", s.Closed)
	}
	for i := range 4 {
		h.stays(h.from("127.0.0.1"), fmt.Sprint(i), "Trust: server\r\n")
	}
	h.limiter.shrink(time.Now().Add(strangerQuiet + time.Second))
	if err := stranger.ask(""); err == nil {
		t.Error("the stranger was kept")
	}
	if err := user.ask("Trust: user\r\n"); err != nil {
		t.Errorf("the user was closed too soon: %v", err)
	}
	h.idle(2)
	for i := range 2 {
		h.stays(h.from("127.0.0.1"), fmt.Sprint("more ", i), "Trust: server\r\n")
	}
	h.limiter.shrink(time.Now().Add(userQuiet + time.Second))
	if err := user.ask("Trust: user\r\n"); err == nil {
		t.Error("the user was kept")
	}
	if err := server.ask("Trust: server\r\n"); err != nil {
		t.Errorf("the server's connection was closed: %v", err)
	}
}

func TestShare(t *testing.T) {
	for limit, want := range map[uint64]int{0: 8, 32: 8, 64: 8, 100: 36, 127: 63, 128: 64, 256: 128, 1024: 512, 20_000: 10_000, 1 << 20: 10_000, 1 << 63: 10_000} {
		if got := Share(limit); got != want {
			t.Errorf("of %d descriptors %d are for connections, want %d", limit, got, want)
		}
	}
	if descriptors() < 3 {
		t.Error("this process may open nothing")
	}
}

func TestAddresses(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::",
		"[fe80::1%eth0]:80": "fe80::", "@": "invalid IP", "": "invalid IP",
	} {
		if got := AddressOf(remote).String(); got != want {
			t.Errorf("%q is %s, want %s", remote, got, want)
		}
	}
}
