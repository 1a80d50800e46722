package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/run"
)

// settleTime is what is left of shutdown_timeout, at most, after work in hand was told
// to let go: it is handed back within milliseconds, and then the last results are
// recorded and the parts closed.
const settleTime = 2 * time.Second

// patience is how long work in hand may go on at a stop before it is told to let go.
func patience(shutdown time.Duration) time.Duration { return shutdown - min(settleTime, shutdown/2) }

// giveUp is when work that does not let go is left behind. A short shutdown_timeout
// leaves it its time all the same: what is left behind may be sent twice.
func giveUp(shutdown time.Duration) time.Duration { return patience(shutdown) + settleTime }

// lifecycle runs parts that belong together: when one ends, all do, in the order in which
// they were added.
type lifecycle struct {
	parent context.Context //nolint:containedctx // the lifetime of the parts, not of a call
	group  run.Group
	parts  []*part
}

// newLifecycle makes one that ends with the context. Stopping is called then, or when a
// part has failed, before anything is stopped.
func newLifecycle(ctx context.Context, stopping func(cause error)) *lifecycle {
	life := &lifecycle{parent: ctx}
	told, tell := context.WithCancel(ctx)
	life.group.Add(func() error {
		<-told.Done()
		return context.Cause(told)
	}, func(cause error) {
		stopping(cause)
		tell()
	})
	return life
}

// errEnded is of a part that should have gone on.
var errEnded = errors.New("it ended by itself")

// part is something that runs until its context ends.
type part struct {
	done chan struct{}
	err  error // once done is closed: a failure, or what it could not bring to an end
}

// add adds a part, which is told to end when those before it were.
func (l *lifecycle) add(name string, work func(context.Context) error) {
	ctx, end := context.WithCancel(context.WithoutCancel(l.parent))
	one := &part{done: make(chan struct{})}
	l.parts = append(l.parts, one)
	l.group.Add(func() error {
		defer close(one.done)
		err := work(ctx)
		switch {
		case ctx.Err() == nil && err == nil:
			err = errEnded
		case ctx.Err() != nil && errors.Is(err, context.Canceled):
			err = nil
		}
		if err != nil {
			one.err = fmt.Errorf("%s: %w", name, err)
		}
		return one.err
	}, func(error) { end() })
}

// barrier does something at the stop, when the parts before it have ended and before those
// after it are told to.
func (l *lifecycle) barrier(action func()) {
	before := slices.Clone(l.parts)
	passed := make(chan struct{})
	l.group.Add(func() error {
		<-passed
		return nil
	}, func(error) {
		for _, one := range before {
			<-one.done
		}
		action()
		close(passed)
	})
}

// run returns when all parts have ended. The error is that of the part which made the
// others stop, and what parts had left when they were told to.
func (l *lifecycle) run() error {
	_ = l.group.Run() // the first error, which is among the parts'
	var errs []error
	for _, one := range l.parts {
		errs = append(errs, one.err)
	}
	return errors.Join(errs...)
}
