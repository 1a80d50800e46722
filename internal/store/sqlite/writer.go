package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"chatbell"
	"chatbell/internal/store"
)

// querier is a connection inside a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tx is what a write does its work with: the connection, inside its transaction, and
// what it has to say of what it changes.
type tx struct {
	querier

	touched *touched
}

func (t *tx) touchChannel(network chatbell.NetworkID, id chatbell.ChannelID) {
	t.touched.channels = append(t.touched.channels, channelKey{network, id})
}

func (t *tx) touchUser(network chatbell.NetworkID, id chatbell.UserID) {
	t.touched.users = append(t.touched.users, userKey{network, id})
}

// touchNetwork is for what changes more of a network than can be named.
func (t *tx) touchNetwork(network chatbell.NetworkID) {
	t.touched.networks = append(t.touched.networks, network)
}

// touchOwners runs a query that changes devices and returns whose they are, or were. It
// returns how many there were.
func (t *tx) touchOwners(ctx context.Context, network chatbell.NetworkID, query string, args ...any) (n int, err error) {
	rows, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var owner chatbell.UserID
		if err := rows.Scan(&owner); err != nil {
			return 0, err
		}
		t.touchUser(network, owner)
		n++
	}
	return n, rows.Err()
}

// writer is the one goroutine that writes. What arrives while a commit is under way
// shares the next one.
type writer struct {
	conn *sql.Conn
	stmt *prepared // on conn
	// forget is told what a write has touched, when it is committed or may be, and before
	// its caller is told.
	forget func(*touched)

	// newest is the greatest sequence with which anything was to be written, and kept is
	// what of it is committed.
	newest atomic.Int64
	kept   int64

	in   chan *write
	stop chan struct{}
	once sync.Once
	done chan struct{}
}

type write struct {
	ctx     context.Context //nolint:containedctx // the caller's, for the time of its call
	f       func(context.Context, *tx) error
	touched touched
	after   string // a statement that cannot run in a transaction
	err     error
	done    chan struct{}
}

// maxGroup bounds the writes of one commit: some 256 small writes are a few
// milliseconds, which is what the first of them waits.
const maxGroup = 256

var errClosed = errors.New("the store is closed")

func newWriter(conn *sql.Conn, forget func(*touched)) *writer {
	w := &writer{
		conn:   conn,
		stmt:   newPrepared(conn),
		forget: forget,
		in:     make(chan *write, maxGroup),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go w.run()
	return w
}

// do runs f in a transaction and returns when it is committed or undone. After its
// context has ended a write that was not begun is not begun.
func (w *writer) do(ctx context.Context, f func(context.Context, *tx) error) error {
	return w.doThen(ctx, f, "")
}

// doThen is do, and runs a statement when the transaction has ended, in whatever way. Its
// error counts for nothing: where f has failed there may be nothing to do.
func (w *writer) doThen(ctx context.Context, f func(context.Context, *tx) error, after string) error {
	req := &write{ctx: ctx, f: f, after: after, done: make(chan struct{})}
	select {
	case <-w.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	case w.in <- req:
	}
	select {
	case <-req.done:
		return req.err
	case <-w.done:
		select {
		case <-req.done:
			return req.err
		default:
			return errClosed
		}
	}
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case first := <-w.in:
			w.group(w.collect(first))
		case <-w.stop:
			select { // what was handed in before the stop is still written
			case first := <-w.in:
				w.group(w.collect(first))
			default:
				return
			}
		}
	}
}

func (w *writer) collect(first *write) []*write {
	list := []*write{first}
	for len(list) < maxGroup {
		select {
		case r := <-w.in:
			list = append(list, r)
		default:
			return list
		}
	}
	return list
}

// group commits a list of writes together.
func (w *writer) group(list []*write) {
	ctx := context.Background() // a caller that gives up must not undo its neighbours' work
	err := w.command(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		if err = w.each(ctx, list); err == nil {
			err = w.commit(ctx)
		}
		if err != nil {
			_ = w.command(ctx, "ROLLBACK") // fails where SQLite has undone it already
		}
	}
	for _, r := range list {
		if r.after != "" {
			_ = w.command(ctx, r.after) // see doThen
		}
		if err != nil {
			r.err = fmt.Errorf("write to the store: %w", err)
		}
		w.forget(&r.touched)
		close(r.done)
	}
}

// commit ends the transaction. With what it writes it commits the greatest sequence that
// was seen.
func (w *writer) commit(ctx context.Context) error {
	newest := w.newest.Load()
	if newest > w.kept {
		if _, err := w.stmt.ExecContext(ctx, `UPDATE newest SET seq = ? WHERE one = 1`, newest); err != nil {
			return asUnavailable(err)
		}
	}
	if err := w.command(ctx, "COMMIT"); err != nil {
		return err
	}
	w.kept = newest
	return nil
}

// saw takes note of a sequence before anything is written with it.
func (w *writer) saw(seq int64) {
	for {
		newest := w.newest.Load()
		if seq <= newest || w.newest.CompareAndSwap(newest, seq) {
			return
		}
	}
}

// each runs the writes. A failure of one is its own; but when the disk is full, or the
// file cannot be read or written, SQLite may have undone the whole transaction, and what
// comes after it would not be in one: then the error is everybody's.
func (w *writer) each(ctx context.Context, list []*write) error {
	for _, r := range list {
		r.err = asUnavailable(w.one(ctx, r))
		if errors.Is(r.err, store.ErrFull) || errors.Is(r.err, store.ErrUnavailable) {
			return r.err
		}
	}
	return nil
}

// one runs a write in a savepoint, so that it can be undone alone.
func (w *writer) one(ctx context.Context, r *write) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if err := w.command(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	err := r.f(ctx, &tx{querier: w.stmt, touched: &r.touched})
	if err != nil {
		err = errors.Join(err, w.command(ctx, "ROLLBACK TO one"))
	}
	return errors.Join(err, w.command(ctx, "RELEASE one"))
}

func (w *writer) command(ctx context.Context, sql string) error {
	_, err := w.stmt.ExecContext(ctx, sql)
	return err
}

// close waits for the writes that were handed in.
func (w *writer) close() error {
	w.once.Do(func() { close(w.stop) })
	<-w.done
	return errors.Join(w.stmt.close(), w.conn.Close())
}
