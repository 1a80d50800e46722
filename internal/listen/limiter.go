package listen

import (
	"log/slog"
	"math"
	"net"
	"sync"
	"syscall"
	"time"
)

// Trust is what a connection's requests have shown so far. It does not fall again.
type Trust int

// The degrees of trust. A user's token is worth less than a server's key, because
// anybody may become a user of an app.
const (
	Stranger Trust = iota // no credential yet
	User                  // a user's token, an analyst's password
	Server                // a key of a backend or of the operator
)

// Config is what a limiter is made of; the zero value is ready for use.
type Config struct {
	// Max bounds the connections; 0 means what [Share] says.
	Max int
	// Logger is told, at most once a minute, that connections are closed for others.
	Logger *slog.Logger
}

const (
	// othersNeed is how many descriptors the broker, the store, the log and the first
	// calls to providers have open: some 30 at rest, twice that at work.
	othersNeed = 64
	// maxShare bounds the connections where descriptors are plenty (containers often
	// allow a billion): 10,000 of some 20 KiB each are 200 MiB.
	maxShare = 10_000
	// minShare is the least that a server is of use with.
	minShare = 8
)

// Share is how many connections a process may hold that may open limit descriptors:
// half of them. The other half is for files and for outgoing connections.
func Share(limit uint64) int {
	share := min(limit/2, maxShare)
	if limit < 2*othersNeed {
		share = max(minShare, limit-min(limit, othersNeed))
	}
	return int(share)
}

// descriptors is how many descriptors this process may open. Go has raised the soft
// limit to the hard one before main.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64 // maxShare is the bound then
	}
	return limit.Cur
}

// Limiter bounds the connections of all listeners that it is put before. At the bound a
// new connection takes the place of another one: of a stranger's, of the address that
// has most of them, the one in which nothing has begun or ended for the longest time.
// Only when no stranger is left others go, in the order of [Limiter.victim]; a
// connection on which a server's request is under way never does.
type Limiter struct {
	max  int
	log  *slog.Logger
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu      sync.Mutex
	open    int
	closed  uint64 // for others
	refused uint64
	// Connections that may be closed for others, by how soon.
	strangers, usersIdle, usersBusy, serversIdle table
}

// New makes a limiter, one for a process: descriptors are the process's. It must be
// closed.
func New(cfg Config) *Limiter {
	if cfg.Max <= 0 {
		cfg.Max = Share(descriptors())
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	limiter := &Limiter{max: cfg.Max, log: cfg.Logger, stop: make(chan struct{}), done: make(chan struct{})}
	go limiter.keep()
	return limiter
}

// Close ends the limiter's own goroutine. Listeners and connections stay open.
func (l *Limiter) Close() error {
	l.once.Do(func() { close(l.stop) })
	<-l.done
	return nil
}

// Stats are a limiter's numbers.
type Stats struct {
	Open, Max int
	// Closed counts the connections that were closed for others, Refused those that
	// were closed at once because all others were at work.
	Closed, Refused uint64
}

// Stats tells the limiter's numbers.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Open: l.open, Max: l.max, Closed: l.closed, Refused: l.refused}
}

// Listen puts the limiter before a listener. The server behind it needs
// [Limiter.Attach], or all its connections count as strangers' that do nothing.
func (l *Limiter) Listen(inner net.Listener) net.Listener { return &listener{inner, l} }

type listener struct {
	net.Listener
	limiter *Limiter
}

// Accept waits for a connection that there is room for. The others are closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if link := l.limiter.admit(raw); link != nil {
			return link, nil
		}
		_ = raw.Close() // nothing was said on it
	}
}

// admit gives a connection its place, or returns nil when there is none.
func (l *Limiter) admit(raw net.Conn) *conn {
	link := &conn{Conn: raw, limiter: l, from: addressOf(raw.RemoteAddr()), since: time.Now()}
	l.mu.Lock()
	var out *conn
	if l.open >= l.max {
		if out = l.victim(); out == nil {
			l.refused++
			l.mu.Unlock()
			return nil
		}
		l.drop(out)
	}
	l.open++
	l.place(link)
	l.mu.Unlock()
	if out != nil {
		_ = out.Conn.Close() // its server finds that out by reading
	}
	return link
}

// victim is the connection that goes next. Users have to leave half of the room to
// servers, even in the middle of a request.
func (l *Limiter) victim() *conn {
	candidates := []*table{&l.strangers, &l.usersIdle, &l.usersBusy, &l.serversIdle}
	for _, ranked := range candidates {
		if ranked == &l.usersBusy && l.usersIdle.count+l.usersBusy.count <= l.max/2 {
			continue
		}
		if link := ranked.oldest(); link != nil {
			return link
		}
	}
	return nil
}

// place puts a connection into the table that fits it.
func (l *Limiter) place(link *conn) {
	if link.in != nil {
		link.in.remove(link)
	}
	switch {
	case link.trust == Stranger:
		link.in = &l.strangers
	case link.trust == User && link.busy:
		link.in = &l.usersBusy
	case link.trust == User:
		link.in = &l.usersIdle
	case !link.busy:
		link.in = &l.serversIdle
	default:
		link.in = nil // stays
		return
	}
	link.in.add(link)
}

// drop forgets a connection that is closed for another.
func (l *Limiter) drop(c *conn) {
	l.closed++
	l.forget(c)
}

// forget takes a connection out of the books.
func (l *Limiter) forget(link *conn) {
	if link.gone {
		return
	}
	link.gone = true
	l.open--
	if link.in != nil {
		link.in.remove(link)
	}
}

// change notes what is new about a connection.
func (l *Limiter) change(link *conn, note func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if link.gone {
		return
	}
	note()
	l.place(link)
}
