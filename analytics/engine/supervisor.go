package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// startWait bounds one start: a large data folder takes seconds to load its parts,
	// and the process before may hold the lock for lockWait.
	startWait = 90 * time.Second
	// lockWait is the time that a child of a killed parent has to leave; it takes at
	// most five seconds to finish its inserts.
	lockWait = 15 * time.Second
	// drainWait is more than the child's own five seconds.
	drainWait = 10 * time.Second
	// The pause before a restart doubles from backoffFirst to backoffLast: an engine
	// that cannot start must not eat the machine, one that fell once is back at once.
	backoffFirst = 100 * time.Millisecond
	backoffLast  = 15 * time.Second
	// steady is how long a child must have run for its end to count as the first.
	steady = time.Minute
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
	// Logger takes the child's end and what it prints. Nil is slog.Default.
	Logger *slog.Logger
}

// Supervisor keeps the child running. All its methods may be called at any time from
// any goroutine.
type Supervisor struct {
	cfg      Config
	password string
	cancel   context.CancelFunc
	done     chan struct{} // closed when the child is gone for good

	mu      sync.Mutex
	addr    string
	version string
	ready   chan struct{} // closed while the child answers; replaced when it ends
	pid     int
	ended   int // how often a child that had answered ended by itself
}

// Start starts the child and returns when it answers; ctx bounds this start only. The
// child's end, later, is not an error: it is started again, and [Supervisor.Ready] waits
// for it. Close stops it.
func Start(ctx context.Context, cfg Config) (*Supervisor, error) {
	if len(cfg.Command) == 0 {
		return nil, errors.New("start the ClickHouse engine: no command given")
	}
	if cfg.Library == "" {
		return nil, ErrNoLibrary
	}
	lib, ok := exists(cfg.Library)
	if !ok {
		return nil, fmt.Errorf("%w (looked for %s)", ErrNoLibrary, cfg.Library)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start the ClickHouse engine: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the ClickHouse data folder: %w", err)
	}
	cfg.Library, cfg.Dir = lib, dir
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Supervisor{cfg: cfg, password: rand.Text(), addr: cfg.Listen, cancel: cancel, done: make(chan struct{}), ready: make(chan struct{})}
	c, err := s.launch(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	go s.supervise(life, c)
	return s, nil
}

// URL is the address of the HTTP interface, for analysts' clients.
func (s *Supervisor) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.addr
}

// DSN is the writer's address, with its password: for clickhouse-go, never for a log.
func (s *Supervisor) DSN() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := url.URL{Scheme: "http", User: url.UserPassword(writerUser, s.password), Host: s.addr, Path: "/" + database}
	return u.String()
}

// Version is the engine's, for example "26.7.2.1".
func (s *Supervisor) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// PID is the running child's process id, or 0.
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

// Ready waits until the engine answers.
func (s *Supervisor) Ready(ctx context.Context) error {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-s.done:
		return errors.New("the ClickHouse engine is stopped")
	case <-ctx.Done():
		return fmt.Errorf("wait for the ClickHouse engine: %w", ctx.Err())
	}
}

// Close lets the child finish its inserts and waits until it is gone, killing it when
// that takes longer than ten seconds. It may be called again.
func (s *Supervisor) Close() error {
	s.cancel()
	<-s.done
	return nil
}

// child is one run of the engine's process.
type child struct {
	cmd     *exec.Cmd
	pipe    io.Closer // the parent's end; its closing tells the child to leave
	done    chan struct{}
	err     error // of its end, once done is closed
	started time.Time
}

// supervise starts the child again whenever it ends.
func (s *Supervisor) supervise(ctx context.Context, c *child) {
	defer close(s.done)
	pause := backoffFirst
	for {
		select {
		case <-ctx.Done():
			s.gone()
			c.stop()
			return
		case <-c.done:
		}
		s.gone()
		s.mu.Lock()
		s.ended++
		s.mu.Unlock()
		_ = c.pipe.Close()
		if time.Since(c.started) > steady {
			pause = backoffFirst
		}
		s.cfg.Logger.Error("the ClickHouse engine ended, starting it again; results wait meanwhile", "cause", c.err, "pause", pause)
		for c = nil; c == nil; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, backoffLast)
			var err error
			if c, err = s.launch(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.Error("the ClickHouse engine does not start", "cause", err, "pause", pause)
			}
		}
	}
}

// gone makes Ready wait again.
func (s *Supervisor) gone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready, s.pid = make(chan struct{}), 0
}

// launch starts a child and waits for its report.
func (s *Supervisor) launch(ctx context.Context) (*child, error) {
	c, reports, err := s.spawn()
	if err != nil {
		return nil, err
	}
	answer := make(chan report, 1)
	go func() { // ends when the child closes its end, at its exit at the latest
		var r report
		if json.NewDecoder(reports).Decode(&r) != nil {
			r.Error = "it ended without a word; its output is in the log"
		}
		_ = reports.Close()
		answer <- r
	}()
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	select {
	case r := <-answer:
		if r.Error != "" {
			c.stop()
			return nil, fmt.Errorf("start the ClickHouse engine: %s", r.Error)
		}
		s.mu.Lock()
		s.addr, s.version, s.pid = r.Addr, r.Version, c.cmd.Process.Pid
		close(s.ready)
		s.mu.Unlock()
		s.cfg.Logger.Info("the ClickHouse engine answers", "address", r.Addr, "version", r.Version)
		return c, nil
	case <-timer.C:
		c.stop()
		return nil, fmt.Errorf("start the ClickHouse engine: no answer within %v", startWait)
	case <-ctx.Done():
		c.stop()
		return nil, fmt.Errorf("start the ClickHouse engine: %w", ctx.Err())
	}
}

// spawn starts the process and hands it its settings.
func (s *Supervisor) spawn() (*child, *os.File, error) {
	reports, reportEnd, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start the ClickHouse engine: %w", err)
	}
	cmd := exec.Command(s.cfg.Command[0], s.cfg.Command[1:]...) //nolint:gosec,noctx // the caller's own binary; it is stopped gently by stop
	// The engine reads configuration files from the working and the home folder: it
	// finds none in its own. Times without a zone are UTC.
	cmd.Dir = s.cfg.Dir
	cmd.Env = append(os.Environ(), "HOME="+s.cfg.Dir, "TZ=UTC")
	cmd.ExtraFiles = []*os.File{reportEnd}
	cmd.Stdout, cmd.Stderr = &lineLog{log: s.cfg.Logger, stream: "stdout"}, &lineLog{log: s.cfg.Logger, stream: "stderr"}
	// A terminal's interrupt goes to the whole group; the parent decides when to stop.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	_ = reportEnd.Close() // the child has its own
	if err != nil {
		_ = reports.Close()
		return nil, nil, fmt.Errorf("start the ClickHouse engine: %w", err)
	}
	c := &child{cmd: cmd, pipe: pipe, done: make(chan struct{}), started: time.Now()}
	go func() { c.err = cmd.Wait(); close(c.done) }() // stop waits for it
	s.mu.Lock()
	set := settings{
		Library: s.cfg.Library, Dir: s.cfg.Dir, Listen: s.addr, WriterPassword: s.password,
		AnalystUser: s.cfg.AnalystUser, AnalystSHA256: s.cfg.AnalystPasswordSHA256, LockWait: lockWait,
	}
	s.mu.Unlock()
	if err := json.NewEncoder(pipe).Encode(set); err != nil {
		c.stop()
		_ = reports.Close()
		return nil, nil, fmt.Errorf("start the ClickHouse engine: hand over its settings: %w", err)
	}
	return c, reports, nil
}

// stop ends the child gently and, after drainWait, by force.
func (c *child) stop() {
	_ = c.pipe.Close() // the end of its input tells it to leave
	select {
	case <-c.done:
	case <-time.After(drainWait):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// lineLog logs what the child prints, a line at a time. Only os/exec writes to it, from
// one goroutine a stream.
type lineLog struct {
	log    *slog.Logger
	stream string
	rest   []byte
}

// maxLine cuts lines that do not end.
const maxLine = 16 << 10

func (l *lineLog) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < maxLine {
			return len(p), nil
		}
		if i < 0 {
			i = maxLine - 1
		}
		l.log.Warn("ClickHouse engine: "+string(l.rest[:i]), "stream", l.stream)
		l.rest = l.rest[i+1:]
	}
}
