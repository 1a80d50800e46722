package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors that callers tell apart.
var (
	// ErrFull says that the stream's limit is reached; nothing was stored.
	ErrFull = errors.New("stream is full")
	// ErrNoSpace is the [ErrFull] of a server that has no room for any stream.
	ErrNoSpace = fmt.Errorf("%w: the broker's server has no room", ErrFull)
	// ErrUnavailable says that the broker could not be reached or did not answer in
	// time; what was published may or may not be stored.
	ErrUnavailable = errors.New("broker is unavailable")
)

const (
	// maxPayload bounds a message: a RESULTS message of 2,000 rows, a batch of 256
	// targets and an event of 512 KiB with its envelope all fit.
	maxPayload = 8 << 20
	// publishTimeout bounds the wait for an acknowledgement. A cluster that has lost
	// its leader needs 4–8 s; the caller answers 503 rather than wait for that.
	publishTimeout = 3 * time.Second
	// asyncPending bounds the publishes to a stream without an acknowledgement.
	asyncPending = 4096
	// startTimeout bounds what is asked of a broker that answers while it is opened.
	startTimeout = 30 * time.Second
	// startTold is how often the log is told that the embedded broker still reads its streams.
	startTold = 10 * time.Second
)

// Config is what a broker is opened with.
type Config struct {
	// Dir holds the embedded broker's files. Only one process may use it.
	Dir string
	// URLs name an external broker; empty means the embedded one.
	URLs []string
	// SyncInterval is how often the embedded broker calls fsync; default 250 ms. A
	// killed process loses nothing in between, a power cut up to that much.
	SyncInterval time.Duration
	// DedupWindow is how long message ids are remembered; default 10 min.
	DedupWindow time.Duration
	// Holder says who works with an external broker: another process is refused while this
	// one lives. Without a place there is no such lease. Only Place and PID are read.
	Holder Holder
	// Replicas of each stream on an external cluster. 0 is what it has, or else 3 on a
	// cluster that has room for them. What a stream has is never lowered.
	Replicas int
	// Streams are made, or brought to these settings, when the broker is opened.
	Streams []Stream
	// DeadLetterBytes bounds the dead letters on disk; default 1 GiB.
	DeadLetterBytes int64
	// Buried is told of each dead letter that was written, in the goroutine that wrote it;
	// nil means nobody.
	Buried func(subject string, sequence uint64, reason string)
	// Waiting is told once when an external broker cannot be reached while it is opened,
	// and waited for; nil means nobody.
	Waiting func(why error)
	// AutoCreate makes a stream for a topic that has none when it is first used.
	AutoCreate bool
	Logger     *slog.Logger
}

func (c *Config) setDefaults() {
	if c.SyncInterval <= 0 {
		c.SyncInterval = 250 * time.Millisecond
	}
	if c.DedupWindow <= 0 {
		c.DedupWindow = 10 * time.Minute
	}
	if c.Buried == nil {
		c.Buried = func(string, uint64, string) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Broker is a connection to JetStream and, when embedded, the server behind it.
type Broker struct {
	cfg    Config
	log    *slog.Logger
	lock   *os.File
	server *server.Server // nil with an external broker
	conn   *nats.Conn
	js     jetstream.JetStream

	mu         sync.Mutex
	atOpen     map[string]uint64
	timeAtOpen map[string]time.Time // of the message at that sequence
	known      map[string]bool
	backlogs   map[string]*cachedBacklog
	marks      map[string][]mark
	readers    map[string]*reader
	resumed    map[string]bool
	windows    map[string]jetstream.JetStream // by stream
	held       *Lease                         // nil without one
}

// Open starts or connects to the broker and creates its streams. An external broker that
// cannot be reached is waited for until the context ends.
func Open(ctx context.Context, cfg Config) (_ *Broker, err error) {
	cfg.setDefaults()
	b := &Broker{
		cfg: cfg, log: cfg.Logger, atOpen: map[string]uint64{}, timeAtOpen: map[string]time.Time{}, known: map[string]bool{},
		backlogs: map[string]*cachedBacklog{}, marks: map[string][]mark{}, readers: map[string]*reader{}, resumed: map[string]bool{},
		windows: map[string]jetstream.JetStream{},
	}
	defer func() { //nolint:contextcheck // the context that ended the opening must not cut the closing short
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if len(cfg.URLs) == 0 {
		if err = b.startServer(ctx); err == nil {
			err = b.open(ctx, b.connectEmbedded)
		}
	} else {
		err = b.reach(ctx)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// open makes a connection, and the streams over it.
func (b *Broker) open(ctx context.Context, connect func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := connect(ctx); err != nil {
		return err
	}
	if b.js, err = b.newWindow(); err != nil {
		return err
	}
	if err := b.lease(ctx); err != nil {
		return err
	}
	for _, s := range slices.Concat(b.cfg.Streams, []Stream{b.cfg.deadLetters()}) {
		if err := b.ensure(ctx, s.Name); err != nil {
			return err
		}
	}
	return nil
}

// newWindow makes a JetStream context: each bounds its own publishes under way.
func (b *Broker) newWindow() (jetstream.JetStream, error) {
	made, err := jetstream.New(b.conn, jetstream.WithPublishAsyncMaxPending(asyncPending),
		jetstream.WithPublishAsyncTimeout(publishTimeout), jetstream.WithDefaultTimeout(publishTimeout))
	if err != nil {
		return nil, fmt.Errorf("open jetstream: %w", err)
	}
	return made, nil
}

// window is the one of a stream: the results of work in hand do not wait behind a burst of
// events that come in, nor behind a large fan-out.
func (b *Broker) window(stream string) (jetstream.JetStream, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.windows[stream]; known != nil {
		return known, nil
	}
	made, err := b.newWindow()
	if err == nil {
		b.windows[stream] = made
	}
	return made, err
}

// ensure creates a stream once and notes where it stood.
func (b *Broker) ensure(ctx context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[name] {
		return nil
	}
	if err := b.ensureStream(ctx, name); err != nil {
		return err
	}
	found, err := b.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("stream %s: %w", name, asUnavailable(err))
	}
	state := found.CachedInfo().State
	b.known[name] = true
	b.atOpen[name] = state.LastSeq
	if state.LastSeq > 0 {
		b.timeAtOpen[name] = state.LastTime
	}
	return nil
}

// topic makes sure that a topic has a stream, where the broker makes them itself.
func (b *Broker) topic(ctx context.Context, topic string) error {
	if !b.cfg.AutoCreate {
		return nil
	}
	return b.ensure(ctx, streamName(topic))
}

func (b *Broker) startServer(ctx context.Context) error {
	if b.cfg.Dir == "" {
		return errors.New("the embedded broker needs a folder (Dir)")
	}
	if err := b.lockDir(); err != nil {
		return err
	}
	embedded, err := server.NewServer(&server.Options{
		ServerName: "chatbell", DontListen: true, JetStream: true, StoreDir: b.cfg.Dir, SyncInterval: b.cfg.SyncInterval,
		NoSigs: true, MaxPayload: maxPayload, MaxPending: 256 << 20,
		// The streams carry their own limits; this only has to be above their sum. The
		// memory is for nothing but short-lived consumers.
		JetStreamMaxStore: 1 << 42, JetStreamMaxMemory: 64 << 20,
	})
	if err != nil {
		return fmt.Errorf("make the embedded broker: %w", err)
	}
	embedded.SetLoggerV2(serverLog{b.log}, false, false, false)
	b.server = embedded
	b.recover(embedded.Start)
	// All streams have been read by now: what is left takes milliseconds.
	if !embedded.ReadyForConnections(startTimeout) {
		return fmt.Errorf("the embedded broker did not start: see the log, and whether %s can be written", b.cfg.Dir)
	}
	return ctx.Err()
}

// recover lets the embedded broker read its streams, however long that takes: 25 GiB after
// a crash are minutes, and to be killed for that by a deadline would only begin it anew.
// The log is told now and then that it goes on.
func (b *Broker) recover(start func()) {
	begun := time.Now()
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		ticker := time.NewTicker(startTold)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				b.log.Info("the embedded broker reads its streams; a large one takes minutes after a crash", "folder", b.cfg.Dir, "bytes", sizeOf(b.cfg.Dir), "for", time.Since(begun).Round(time.Second))
			}
		}
	})
	start()
	close(done)
	telling.Wait()
}

// sizeOf is how much there is in a folder, as far as it can be read.
func sizeOf(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what is removed meanwhile does not count
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

func (b *Broker) connectEmbedded(context.Context) error {
	return b.connect(func(_ string, opts ...nats.Option) (*nats.Conn, error) {
		return nats.Connect("", append(opts, nats.InProcessServer(b.server))...)
	}, "")
}

func (b *Broker) connect(dial func(string, ...nats.Option) (*nats.Conn, error), urls string) (err error) {
	b.conn, err = dial(urls, nats.Name("chatbell"), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.Timeout(publishTimeout), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("broker connection", "error", err)
		}))
	if err != nil {
		return fmt.Errorf("connect to the broker (configuration key broker): %w", err)
	}
	return nil
}

// lockDir keeps a second process from opening the same files, which would ruin them.
func (b *Broker) lockDir() error {
	if err := os.MkdirAll(b.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the broker's folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(b.cfg.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the broker's lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return fmt.Errorf("another process uses %s: stop it, or choose another data folder: %w", b.cfg.Dir, err)
	}
	b.lock = file
	return nil
}

// release gives the lease back, if there is one.
func (b *Broker) release() {
	if held := b.held; held != nil {
		b.held = nil
		held.close()
	}
}

// Close closes the connection and stops the embedded server. Subscribers must be
// closed before. Closing again does nothing.
func (b *Broker) Close() error {
	b.release()
	if b.conn != nil {
		b.conn.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	lock := b.lock
	if b.lock = nil; lock == nil {
		return nil
	}
	return lock.Close()
}

// asUnavailable marks the errors that mean "not now".
func asUnavailable(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrConnectionClosed),
		errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionReconnecting),
		errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, jetstream.ErrAsyncPublishTimeout),
		errors.Is(err, jetstream.ErrTooManyStalledMsgs):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// serverLog hands the embedded server's log lines to slog, at the levels that
// matter to an operator: its notices are our debugging.
type serverLog struct{ log *slog.Logger }

func (l serverLog) line(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats: "+fmt.Sprintf(format, v...))
	}
}
func (l serverLog) Noticef(f string, v ...any) { l.line(slog.LevelDebug, f, v) }
func (l serverLog) Warnf(f string, v ...any)   { l.line(slog.LevelWarn, f, v) }
func (l serverLog) Fatalf(f string, v ...any)  { l.line(slog.LevelError, f, v) }
func (l serverLog) Errorf(f string, v ...any)  { l.line(slog.LevelError, f, v) }
func (l serverLog) Debugf(f string, v ...any)  { l.line(slog.LevelDebug, f, v) }
func (l serverLog) Tracef(f string, v ...any)  { l.line(slog.LevelDebug, f, v) }
