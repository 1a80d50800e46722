package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
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

// grace is how long work in hand may go on at a stop.
func (a *App) grace() time.Duration { return patience(a.cfg.ShutdownTimeout) }

// Run works until the context ends, then drains: no new work is taken, work in hand
// is finished or handed back to the queue. It returns within shutdown_timeout of that,
// with an error that says what was left when some work was neither.
func (a *App) Run(ctx context.Context) (err error) {
	defer func() {
		err = errors.Join(err, a.close())
		a.log.Info("stopped", "well", err == nil)
	}()
	parts := newParts(ctx, giveUp(a.cfg.ShutdownTimeout))
	parts.stopping = func(why error) {
		a.log.Info("stopping: no new work is taken, work in hand is finished or handed back", "cause", why, "at_most", a.cfg.ShutdownTimeout)
	}
	// The recorder outlives the pipeline, so that the last rows land.
	parts.last("recorder", a.recorder.Run)
	parts.last("purge", a.purge)
	parts.last("memory", func(ctx context.Context) error { return newMemory(a.log).run(ctx, memoryEvery) })
	parts.run("pipeline", a.pipeline.Run)
	select { // intake opens only when somebody listens to the stream
	case <-a.pipeline.Running():
		a.front.Show(a.api)
	case <-ctx.Done():
	}
	parts.run("http", func(ctx context.Context) error { return a.front.Run(ctx, a.grace()) })
	a.log.Info("ready", "listen", a.Addr(), "clickhouse", a.ClickHouseURL(), "version", a.opts.Version)
	if err := a.showSecrets(ctx); err != nil && ctx.Err() == nil {
		a.log.Error("secrets were made at the first start and could not be shown", "error", err)
	}
	return parts.wait(a.drain)
}

// parts runs goroutines that belong together: when one fails, all stop.
type parts struct {
	parent     context.Context //nolint:containedctx // the lifetime of the group, not of a call
	ctx        context.Context //nolint:containedctx // as above
	stop       context.CancelCauseFunc
	lastCtx    context.Context //nolint:containedctx // as above
	stopLast   context.CancelFunc
	grace      time.Duration
	stopping   func(cause error) // called once, before anything is waited for
	first, end sync.WaitGroup

	mu   sync.Mutex
	left []error // what parts could not bring to an end
}

func newParts(ctx context.Context, grace time.Duration) *parts {
	p := &parts{parent: ctx, grace: grace, stopping: func(error) {}}
	p.ctx, p.stop = context.WithCancelCause(ctx)
	p.lastCtx, p.stopLast = context.WithCancel(context.WithoutCancel(ctx))
	return p
}

func (p *parts) run(name string, f func(context.Context) error) {
	p.first.Go(func() { p.guard(name, f, p.ctx) })
}

// last runs a part that stops only when the others have.
func (p *parts) last(name string, f func(context.Context) error) {
	p.end.Go(func() { p.guard(name, f, p.lastCtx) })
}

func (p *parts) guard(name string, f func(context.Context) error, ctx context.Context) { //nolint:revive // the context is chosen by the caller
	err := f(ctx)
	switch {
	case err == nil:
	case ctx.Err() == nil:
		p.stop(fmt.Errorf("%s: %w", name, err))
	case !errors.Is(err, context.Canceled):
		p.mu.Lock()
		p.left = append(p.left, fmt.Errorf("%s: %w", name, err))
		p.mu.Unlock()
	}
}

// wait returns when all parts have stopped. The error is that of the part which made
// the others stop, and what parts had left when they were told to. Drain is called
// before the last parts are stopped, with what is left of the time to stop.
func (p *parts) wait(drain func(context.Context)) error {
	<-p.ctx.Done()
	cause := context.Cause(p.ctx)
	p.stopping(cause)
	ctx, cancel := context.WithTimeout(p.lastCtx, p.grace)
	p.first.Wait()
	drain(ctx)
	cancel()
	p.stopLast()
	p.end.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parent.Err() != nil {
		return errors.Join(p.left...) // it was told to
	}
	return errors.Join(append([]error{cause}, p.left...)...)
}
