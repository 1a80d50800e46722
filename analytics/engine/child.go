package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"chatbell/internal/listen"
)

// ChildConfig is what the child's process gives to [Serve].
type ChildConfig struct {
	// In carries the settings, one line of JSON from the parent, and then nothing:
	// its end means that the parent is gone.
	In io.Reader
	// Report takes one line of JSON for the parent: the address, or why there is none.
	Report io.Writer
}

// Inherited is the ChildConfig of a process that [Start] started: standard input, and
// file descriptor 3.
func Inherited() ChildConfig { return ChildConfig{In: os.Stdin, Report: os.NewFile(3, "report")} }

// settings go from parent to child through the pipe, because arguments and environment
// can be read by other users of the machine.
type settings struct {
	Library        string
	Dir            string
	Listen         string
	WriterPassword string
	AnalystUser    string
	AnalystSHA256  string // hex; empty means that there is no analyst
	LockWait       time.Duration
	Heartbeat      time.Duration
	Overdue        time.Duration
	KeepAlive      time.Duration
	AnswerTime     time.Duration
}

// writerUser is the name under which the parent writes.
const writerUser = "chatbell_writer"

// Serve is the child's whole life: it opens the data folder, answers HTTP until ctx is
// done or the parent is gone, and closes the engine. What goes wrong is reported to the
// parent as well as returned. It ignores the signals that ask a process to end: they go to
// a whole service as a rule, and the parent still has rows to insert then.
func Serve(ctx context.Context, cfg ChildConfig) error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	input := bufio.NewReader(cfg.In)
	line, err := input.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the settings from the parent (this command is not for use by hand): %w", err)
	}
	var set settings
	if err := json.Unmarshal(line, &set); err != nil {
		return fmt.Errorf("read the settings from the parent: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Reading a pipe cannot be interrupted; the goroutine ends with the process at the latest.
	go func() {
		defer cancel(nil)
		_, _ = io.Copy(io.Discard, input)
	}()
	out := &reporter{to: json.NewEncoder(cfg.Report)}
	go out.beat(ctx, set.Heartbeat) // as above, when the parent does not read
	err = serve(ctx, cancel, &set, out)
	out.fail(err)
	return err
}

// serve is Serve with its settings. Cancel ends it with a cause.
func serve(ctx context.Context, cancel context.CancelCauseFunc, set *settings, out *reporter) error {
	child, err := bind(ctx, set, out)
	if err != nil {
		return &failure{error: err, mistake: true}
	}
	out.report(report{State: stateBound, Addr: child.listener.Addr().String()})
	var wg sync.WaitGroup
	defer wg.Wait()
	limiter := listen.New(listen.Config{Logger: out.log()})
	defer func() { _ = limiter.Close() }() // it ends a goroutine, no more
	srv := child.http(set.KeepAlive)
	limiter.Attach(srv)
	strangers := func() Strangers { return child.strangers(limiter) }
	out.strangers.Store(&strangers)
	failed := make(chan error, 1)
	wg.Go(func() { failed <- srv.Serve(listen.Strict(limiter.Listen(child.listener))) })
	defer func() { _ = srv.Close() }() // the goroutine's end; after stop there is nothing to close
	opened, refused := child.open(set, out.log())
	select {
	case err := <-refused:
		child.close()
		return err
	case <-ctx.Done():
		return nil // the lock is held as long as the engine is at work: until the process ends
	case serving := <-opened:
		serving.ending = ctx
		child.handler.Store(serving)
		out.report(report{State: stateAnswers, Version: serving.version})
	}
	wg.Go(func() { child.lib.works.watch(ctx, set.Overdue, cancel) })
	select {
	case err := <-failed:
		cancel(fmt.Errorf("serve ClickHouse's HTTP interface: %w", err))
	case <-ctx.Done():
	}
	stop(ctx, srv)
	child.close()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// bind takes the lock, the port and the library, in this order: each of the first two
// is held by at most one process, and the data must not be touched without them.
func bind(ctx context.Context, set *settings, out *reporter) (*server, error) {
	if err := os.MkdirAll(set.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the ClickHouse data folder: %w", err)
	}
	lock, err := takeLock(ctx, filepath.Join(set.Dir, "chatbell.lock"), set.LockWait, out)
	if err != nil {
		return nil, err
	}
	listener, err := listenOn(ctx, set.Listen)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	lib, err := loadLibrary(set.Library)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), lock.Close())
	}
	return &server{lib: lib, lock: lock, listener: listener}, nil
}

// open opens the data folder, which may take a while and cannot be broken off.
func (s *server) open(set *settings, log *slog.Logger) (<-chan *handler, <-chan error) {
	opened := make(chan *handler, 1)
	refused := make(chan error, 1)
	go func() { // ends with the process at the latest
		serving, err := newHandler(s.lib, set, log)
		if err != nil {
			refused <- err
			return
		}
		opened <- serving
	}()
	return opened, refused
}

// strangers counts what the port has kept away so far.
func (s *server) strangers(limiter *listen.Limiter) Strangers {
	stats := limiter.Stats()
	out := Strangers{Cut: stats.Closed, Refused: stats.Refused}
	if serving := s.handler.Load(); serving != nil {
		out.WrongPasswords = serving.wrong.Load()
	}
	return out
}

// close gives everything back. The engine is closed only when nothing runs in it; it
// survives not being closed.
func (s *server) close() {
	if serving := s.handler.Load(); serving != nil {
		serving.close()
	}
	_ = s.listener.Close() // closed by the HTTP server before, as a rule
	_ = s.lock.Close()
}

// listenOn says clearly what to do when the port is taken.
func listenOn(ctx context.Context, addr string) (net.Listener, error) {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen for ClickHouse on %s: another program uses that port: stop it, or set clickhouse_listen to a free one", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for ClickHouse on %s: %w", addr, err)
	}
	return listener, nil
}

// takeLock waits until no other process has the data folder open. A child whose parent
// was killed needs a moment to leave.
func takeLock(ctx context.Context, path string, wait time.Duration, out *reporter) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the ClickHouse data folder: %w", err)
	}
	deadline := time.Now().Add(wait)
	for said := false; ; said = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if time.Now().After(deadline) || !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("lock the ClickHouse data folder %s: still in use by another process after %v: stop the other chatbell, or give this one a data folder of its own", filepath.Dir(path), wait)
		}
		if !said {
			out.report(report{State: stateWaits, Error: "another process has its data folder open"})
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond): // short beside the start of the engine
		}
	}
}

// newHandler opens the data folder and prepares what requests need.
func newHandler(lib *library, set *settings, log *slog.Logger) (*handler, error) {
	// Paths are those of the data folder, so that no answer tells where it is.
	if err := os.Chdir(set.Dir); err != nil {
		return nil, fmt.Errorf("enter the ClickHouse data folder: %w", err)
	}
	if err := writeAccess(set.Dir); err != nil {
		return nil, err
	}
	const path = "--path=store"
	keeper, err := lib.open(path, "--config-file="+configFile)
	if err != nil {
		return nil, &failure{
			error: fmt.Errorf("open the ClickHouse data folder %s: %w", set.Dir, err),
			mend:  "restore the folder from a backup, or move it away for a new one that begins without the history",
		}
	}
	serving := &handler{
		lib:        lib,
		path:       path,
		keeper:     keeper,
		auth:       newAuth(set),
		play:       &page{library: set.Library},
		keepAlive:  set.KeepAlive,
		answerTime: set.AnswerTime,
		guesses:    listen.NewThrottle(listen.ThrottleConfig{What: "ClickHouse password", Logger: log}),
		writers:    make(chan struct{}, maxWriters),
		analysts:   make(chan struct{}, maxAnalysts),
	}
	// The database called default reaches into the file system: a table name there can
	// be a file. An empty one takes its place.
	for _, q := range []string{
		"DROP DATABASE IF EXISTS default", "CREATE DATABASE default ENGINE = Atomic",
		"CREATE DATABASE IF NOT EXISTS " + database + " ENGINE = Atomic",
	} {
		if err := keeper.run(q); err != nil {
			keeper.close()
			return nil, fmt.Errorf("prepare the ClickHouse databases: %w", err)
		}
	}
	if err := serving.learn(); err != nil {
		keeper.close()
		return nil, err
	}
	return serving, nil
}

// learn asks the engine what it knows: its settings, its functions, its version. Then it
// takes away what nobody is to ask.
func (h *handler) learn() error {
	lines := func(q string) ([]string, error) {
		out, err := h.keeper.text(q)
		if err != nil {
			return nil, fmt.Errorf("ask ClickHouse what it knows: %w", err)
		}
		return strings.Fields(out), nil
	}
	names, err := lines("SELECT name FROM system.settings")
	if err != nil {
		return err
	}
	h.known = make(map[string]bool, len(names))
	for _, name := range names {
		h.known[name] = true
	}
	if err := h.forbid(h.keeper); err != nil {
		return err
	}
	version, err := lines("SELECT version()")
	if err != nil {
		return err
	}
	h.version = version[0]
	h.hidden, err = narrow(h.keeper)
	return err
}
