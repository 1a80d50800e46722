package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/app"
	"chatbell/internal/config"
)

// Main is the TestMain of a package whose tests use this one: it lets the test's binary
// be the server and the engine that a world starts.
func Main(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == serveCommand {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := serve(ctx, os.Args[2])
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	clickhousetest.Main(m)
}

const serveCommand = "apptest-serve"

// told is what a server's process tells the test once it listens.
type told struct{ API, ClickHouse string }

// tellFD is where it tells it: the first file beyond the standard ones.
const tellFD = 3

// serve is the server's process.
func serve(ctx context.Context, file string) error {
	if err := limits(); err != nil {
		return err
	}
	tell := os.NewFile(tellFD, "tell")
	if tell == nil {
		return errors.New("nobody asks for the addresses")
	}
	a, err := newApp(ctx, file, app.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	err = json.NewEncoder(tell).Encode(told{a.Addr(), strings.TrimPrefix(a.ClickHouseURL(), "http://")})
	if err := errors.Join(err, tell.Close()); err != nil {
		return err
	}
	return a.Run(ctx)
}

func newApp(ctx context.Context, file string, opts app.Options) (*app.App, error) {
	cfg, err := config.Load(config.Options{File: file})
	if err != nil {
		return nil, err
	}
	opts.EngineCommand = []string{os.Args[0], "engine"}
	return app.New(ctx, cfg, opts)
}

// process is a server in a process of its own.
type process struct {
	cmd  *exec.Cmd
	told told
	end  chan error
}

func startProcess(t testing.TB, file string, env []string) (running, error) {
	t.Helper()
	hears, tells, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer hears.Close()
	p := &process{cmd: exec.Command(os.Args[0], serveCommand, file), end: make(chan error, 1)} //nolint:gosec // the test's own binary
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = t.Output()
	p.cmd.ExtraFiles = []*os.File{tells}
	err = p.cmd.Start()
	_ = tells.Close() // the child has its own
	if err != nil {
		return nil, err
	}
	go func() { p.end <- p.cmd.Wait() }() // whoever starts it waits for its end
	if err := json.NewDecoder(hears).Decode(&p.told); err != nil {
		p.kill()
		return nil, fmt.Errorf("it told no address: %w", errors.Join(err, <-p.end))
	}
	return p, nil
}

func (p *process) addresses() (api, clickhouse string) { return p.told.API, p.told.ClickHouse }
func (p *process) stop() error                         { return p.cmd.Process.Signal(syscall.SIGTERM) }
func (p *process) kill()                               { _ = p.cmd.Process.Kill() }
func (p *process) ended() <-chan error                 { return p.end }

// here is a server in the test's process.
type here struct {
	app    *app.App
	cancel context.CancelFunc
	end    chan error
	log    *logBuffer
}

func startHere(t testing.TB, file string, opts app.Options) (running, error) {
	t.Helper()
	h := &here{end: make(chan error, 1), log: &logBuffer{also: t.Output()}}
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(h.log, nil))
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	h.cancel = cancel
	var err error
	if h.app, err = newApp(ctx, file, opts); err != nil {
		cancel()
		return nil, err
	}
	go func() { h.end <- h.app.Run(ctx) }()
	return h, nil
}

func (h *here) addresses() (api, clickhouse string) { return h.app.Addr(), "" }
func (h *here) stop() error                         { h.cancel(); return nil }
func (h *here) kill()                               { h.cancel() }
func (h *here) ended() <-chan error                 { return h.end }

// logBuffer keeps the log, and shows it with a test that fails.
type logBuffer struct {
	also io.Writer
	mu   sync.Mutex
	buf  bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = b.also.Write(p)
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
