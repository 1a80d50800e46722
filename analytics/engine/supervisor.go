package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// firstWord bounds how long Start waits for the child's first report, which is about
	// its configuration and comes before the data is opened: mapping the library from a
	// cold disk takes seconds.
	firstWord = 15 * time.Second
	// lockWait is the time that a child of a killed parent has to leave; it takes at
	// most five seconds to finish its inserts.
	lockWait = 15 * time.Second
	// loadWait bounds how long the data may take to open. A large folder takes seconds;
	// a child that needs this long is stuck, although it lives.
	loadWait = 10 * time.Minute
	// dialWait bounds one connection to the child, which is on this machine.
	dialWait = 5 * time.Second
)

// The defaults of Config. A child that works hard on a busy machine may be late by
// seconds; six silent intervals are half a minute, which is also how long an insert is
// waited for, so that a hanging child is ended about when its first insert is given up.
const (
	defaultHeartbeat = 5 * time.Second
	defaultMisses    = 6
	// defaultOverdue is as long again as an analyst's statement may take. A function that
	// looks at its cancellation between two blocks of rows needs seconds, a disk that
	// stalls tens; what runs on for a minute holds one of four places and a core for good.
	defaultOverdue = time.Minute
	// defaultKeepAlive: dashboards come back after a minute at most.
	defaultKeepAlive = 2 * time.Minute
	// defaultAnswerTime is twice what the query itself may take, so that who reads a
	// little at a time gives up its place.
	defaultAnswerTime = 2 * analystTime
)

// Config says how to run the engine.
type Config struct {
	// Library is the path of libchdb.so; see [FindLibrary].
	Library string
	// Dir is the folder of the data, made when absent.
	Dir string
	// Listen is the address of the HTTP interface, for example 127.0.0.1:8123. Port 0
	// takes a free one at the first start and keeps it.
	Listen string
	// AnalystUser and AnalystPasswordSHA256 (hex) are the read-only user. Without a hash
	// there is none.
	AnalystUser           string
	AnalystPasswordSHA256 string
	// Command is the program and arguments of the child, which calls [Serve].
	Command []string
	// Heartbeat is how often the child shows that it lives, beside whatever it works on;
	// a child that was not heard of in Misses such intervals in a row hangs, and is
	// killed and started again. Zeros are 5 s and 6.
	Heartbeat time.Duration
	Misses    int
	// Overdue is how long a statement may run on after its end was due (its asker left,
	// or its time was over) before the child is started anew: some functions cannot be
	// cancelled. Zero is one minute.
	Overdue time.Duration
	// KeepAlive is how long a connection may wait for its next request, and what clients
	// are told of that. Zero is two minutes.
	KeepAlive time.Duration
	// AnswerTime bounds an analyst's query together with the reading of its answer. Zero
	// is two minutes.
	AnswerTime time.Duration
	// Logger takes the child's end and what it prints. Nil is slog.Default.
	Logger *slog.Logger
}

// complete checks what the parent can check, and fills in the defaults.
func (c Config) complete() (Config, error) {
	if len(c.Command) == 0 {
		return c, errors.New("start the ClickHouse engine: no command given")
	}
	if c.Library == "" {
		return c, ErrNoLibrary
	}
	lib, ok := exists(c.Library)
	if !ok {
		return c, fmt.Errorf("%w (looked for %s)", ErrNoLibrary, c.Library)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("find the ClickHouse data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return c, fmt.Errorf("make the ClickHouse data folder: %w", err)
	}
	c.Library = lib
	c.Dir = dir
	if c.Heartbeat <= 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.Misses <= 0 {
		c.Misses = defaultMisses
	}
	if c.Overdue <= 0 {
		c.Overdue = defaultOverdue
	}
	if c.KeepAlive <= 0 {
		c.KeepAlive = defaultKeepAlive
	}
	if c.AnswerTime <= 0 {
		c.AnswerTime = defaultAnswerTime
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// Supervisor keeps the child running. All its methods may be called at any time from
// any goroutine.
type Supervisor struct {
	cfg      Config
	password string
	cancel   context.CancelFunc
	first    chan error    // what the first child said of its configuration: nil if nothing is wrong
	told     bool          // it was said; the supervising goroutine's
	done     chan struct{} // closed when the child is gone for good

	mu      sync.Mutex
	addr    string
	version string
	pid     int
	ended   int           // how often a child that had answered ended by itself
	ready   chan struct{} // closed while the child answers; replaced when it ends
	trouble error         // why the child does not answer; nil while it does
	beats   uint64

	strangers, before Strangers // of this child, as of its last beat, and of those before
}

// errStarting is the trouble of a child that was not heard of yet.
var errStarting = errors.New("the ClickHouse engine is starting")

// Start starts the child and returns when nothing is wrong with its configuration, or
// with the mistake: a library that cannot be loaded, an address that is in use. It does
// not wait until the engine answers, because a program that has something else to do
// should do it meanwhile: [Supervisor.Ready] waits, and [Supervisor.Err] tells why not.
// An engine that cannot open its data, or ends, is no error of Start: it is started
// again and again until Close. Ctx bounds the start only.
func Start(ctx context.Context, cfg Config) (*Supervisor, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sup := &Supervisor{
		cfg:      cfg,
		password: rand.Text(),
		addr:     cfg.Listen,
		cancel:   cancel,
		first:    make(chan error, 1),
		done:     make(chan struct{}),
		ready:    make(chan struct{}),
		trouble:  errStarting,
	}
	go sup.supervise(life)
	patience := time.NewTimer(firstWord)
	defer patience.Stop()
	select {
	case err = <-sup.first:
	case <-patience.C: // a slow machine, or a child that hangs: it is seen to
		select {
		case sup.first <- nil: // what the child says from now on ends nothing
		case err = <-sup.first:
		}
	case <-ctx.Done():
		err = fmt.Errorf("start the ClickHouse engine: %w", ctx.Err())
	}
	if err != nil {
		return nil, errors.Join(err, sup.Close())
	}
	return sup, nil
}

// URL is the address of the HTTP interface, for analysts' clients.
func (s *Supervisor) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.addr
}

// DSN is the writer's address, with its password: for clickhouse-go, never for a log.
// Connect through [Supervisor.Dial], because with port 0 the address is known only when
// the engine answers.
func (s *Supervisor) DSN() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	address := url.URL{Scheme: "http", User: url.UserPassword(writerUser, s.password), Host: s.addr, Path: "/" + database}
	return address.String()
}

// Dial connects to the engine, or says at once why it does not answer. While it does
// not, its port may be another program's, which must not see the writer's password.
func (s *Supervisor) Dial(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	addr := s.addr
	trouble := s.trouble
	s.mu.Unlock()
	if trouble != nil {
		return nil, trouble
	}
	dialer := net.Dialer{Timeout: dialWait}
	return dialer.DialContext(ctx, "tcp", addr)
}

// Version is the engine's, for example "26.7.2.1"; empty before it answers.
func (s *Supervisor) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// PID is the child's process id, or 0 while there is none.
func (s *Supervisor) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

// Restarts is how often the child has ended by itself, and was started again.
func (s *Supervisor) Restarts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Strangers counts what was kept away from the engine's port since Start, as of the last
// heartbeat.
func (s *Supervisor) Strangers() Strangers {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.before.plus(s.strangers)
}

// Err is nil while the engine answers. Otherwise it says why not, where there are any in
// the engine's own words.
func (s *Supervisor) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// Ready waits until the engine answers.
func (s *Supervisor) Ready(ctx context.Context) error {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-s.done:
		return errStopped
	case <-ctx.Done():
		return fmt.Errorf("wait for the ClickHouse engine: %w (%v)", ctx.Err(), s.Err()) //nolint:errorlint // what is wrong is told; what to branch on is the context
	}
}

// Close lets the child finish its inserts and waits until it is gone, killing it when
// that takes longer than ten seconds. It may be called again.
func (s *Supervisor) Close() error {
	s.cancel()
	<-s.done
	return nil
}
