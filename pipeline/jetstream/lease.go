package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Holder is who holds an external broker, as it says itself.
type Holder struct {
	// Installation is the identity of its data, and Place where that is: host and folder. No
	// two processes can have both in common, unless one of them is dead.
	Installation string `json:"installation"`
	Place        string `json:"place"`
	// PID is the process there.
	PID int `json:"pid"`
	// Since is when it took the lease, by its own clock.
	Since time.Time `json:"since"`
	// Epoch counts the holders.
	Epoch uint64 `json:"epoch"`
	// Token tells one holding from another.
	Token string `json:"token"`
	// Beats counts the renewals.
	Beats uint64 `json:"beats"`
	// Released says that it has given the lease back.
	Released bool `json:"released,omitempty"`
}

// HeldError says that somebody else holds the broker, and lives.
type HeldError struct{ Holder Holder }

// isBefore reports whether a holder was this process's predecessor.
func (h *Holder) isBefore(self *Holder) bool {
	return h.Installation == self.Installation && h.Place == self.Place
}

// Error says who, and what to do.
func (e *HeldError) Error() string {
	return fmt.Sprintf("another chatbell uses this broker: process %d of %s, since %s. Stop that one, or give this one a broker of its own (configuration key broker)",
		e.Holder.PID, e.Holder.Place, e.Holder.Since.UTC().Format(time.RFC3339))
}

// ErrLeaseLost says that another process has taken the broker over, because this one had
// not renewed its lease in time: it was frozen, or cut off.
var ErrLeaseLost = errors.New("the broker was taken over")

const (
	leaseBucket = "chatbell"
	leaseKey    = "lease"
	// leaseTTL is how long a lease lasts that is not renewed: how long a new process waits
	// when the old one was killed at another place.
	leaseTTL = 10 * time.Second
	// leaseBeats are the renewals in that time: all but one may fail.
	leaseBeats = 4
	// leaseSize bounds the bucket, in bytes; it holds one small value.
	leaseSize = 1 << 20
)

// Lease is the right of this process to work with an external broker, for as long as it is
// renewed. A goroutine does that which [Broker.Close] ends.
type Lease struct {
	kv   jetstream.KeyValue
	log  *slog.Logger
	ttl  time.Duration
	self Holder
	rev  uint64 // of the value that we wrote last

	stop chan struct{}
	done chan struct{}
	lost chan error // gets one when it is lost
	gone bool       // it was; read when done is closed
}

// lease takes the lease of an external broker, unless there is one already. It comes before
// anything of the broker is changed.
func (b *Broker) lease(ctx context.Context) error {
	if b.server != nil || b.cfg.Holder.Place == "" {
		return nil
	}
	kv, err := b.js.KeyValue(ctx, leaseBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		err = b.replicated(leaseBucket, func(replicas int) (err error) {
			kv, err = b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
				Bucket: leaseBucket, Description: "who works with this broker", MaxBytes: leaseSize, Replicas: replicas,
			})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("make the broker's lease: %w", asUnavailable(err))
	}
	b.held, err = acquire(ctx, kv, b.cfg.Holder, leaseTTL, b.log)
	return err
}

// Lost gets an error when another process has taken an external broker over: nothing of
// this one may go on.
func (b *Broker) Lost() <-chan error {
	if b.held == nil {
		return nil
	}
	return b.held.lost
}

// acquire takes the lease: at once where nobody holds it, or where the holder was at the
// same place and is dead for that reason; else when the holder has not renewed it for its
// time. The error is a [*HeldError] when the holder does. Clocks are not compared.
func acquire(ctx context.Context, kv jetstream.KeyValue, self Holder, ttl time.Duration, log *slog.Logger) (*Lease, error) {
	lease := &Lease{kv: kv, log: log, ttl: ttl, self: self, stop: make(chan struct{}), done: make(chan struct{}), lost: make(chan error, 1)}
	lease.self.Since = time.Now().UTC()
	lease.self.Token = rand.Text()
	var watched Holder
	var since time.Time
	for {
		holder, rev, err := holderOf(ctx, kv)
		switch {
		case err != nil:
			return nil, err
		case rev == 0, holder.Released, holder.isBefore(&self), holder.Token == watched.Token && time.Since(since) >= ttl:
			lease.self.Epoch = holder.Epoch + 1
			if err := lease.write(ctx, rev); err == nil {
				go lease.keep() //nolint:contextcheck // it lives until the broker is closed, not until it is open
				return lease, nil
			} else if !lostRace(err) {
				return nil, fmt.Errorf("take the broker's lease: %w", asUnavailable(err))
			}
		case holder.Token != watched.Token:
			watched = holder
			since = time.Now()
			log.Info("another chatbell has used this broker; waiting to see whether it lives", "place", holder.Place, "pid", holder.PID, "since", holder.Since, "at_most", ttl)
		case holder.Beats != watched.Beats:
			return nil, &HeldError{holder}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(ttl / 20):
		}
	}
}

// holderOf reads the lease; revision 0 is none.
func holderOf(ctx context.Context, kv jetstream.KeyValue) (holder Holder, revision uint64, err error) {
	entry, err := kv.Get(ctx, leaseKey)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return Holder{}, 0, nil
	case err != nil:
		return Holder{}, 0, fmt.Errorf("read the broker's lease: %w", asUnavailable(err))
	}
	if err := json.Unmarshal(entry.Value(), &holder); err != nil {
		return Holder{}, 0, fmt.Errorf("read the broker's lease: %w", err)
	}
	return holder, entry.Revision(), nil
}

// write replaces the value of a revision; 0 is none.
func (l *Lease) write(ctx context.Context, rev uint64) (err error) {
	value, err := json.Marshal(l.self)
	if err != nil {
		return err
	}
	if rev == 0 {
		l.rev, err = l.kv.Create(ctx, leaseKey, value)
		return err
	}
	next, err := l.kv.Update(ctx, leaseKey, value, rev)
	if err == nil {
		l.rev = next
	}
	return err
}

// lostRace reports whether somebody else has written.
func lostRace(err error) bool {
	return errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch)
}

// keep renews the lease until it is closed, or lost.
func (l *Lease) keep() {
	defer close(l.done)
	ticker := time.NewTicker(l.ttl / leaseBeats)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		if err := l.renew(); err != nil {
			l.gone = true
			l.lost <- err
			return
		}
	}
}

// renew writes one more beat. A broker that does not answer is waited for; what it has may
// be a beat of ours whose answer was lost.
func (l *Lease) renew() error {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	l.self.Beats++
	err := l.write(ctx, l.rev)
	if err == nil || !lostRace(err) {
		return nil // where it was not written the next beat tells
	}
	holder, rev, err := holderOf(ctx, l.kv)
	switch {
	case err != nil:
		return nil
	case rev != 0 && holder.Token != l.self.Token:
		return fmt.Errorf("%w by process %d of %s at %s: this one did not renew its lease in time and must not go on",
			ErrLeaseLost, holder.PID, holder.Place, holder.Since.UTC().Format(time.RFC3339))
	}
	l.rev = rev
	return nil
}

// close ends the renewing and gives the lease back.
func (l *Lease) close() {
	close(l.stop)
	<-l.done
	if l.gone {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	l.self.Released = true
	if err := l.write(ctx, l.rev); err != nil {
		l.log.Warn("the broker's lease was not given back; the next process waits for its end", "at_most", l.ttl, "error", err)
	}
}
