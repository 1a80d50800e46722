package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// stopError is the cause of a context that a signal ended, and the error of a command
// that was ended by one before it was done.
type stopError struct{ signal syscall.Signal }

func (e *stopError) Error() string { return fmt.Sprintf("stopped (%s)", e.signal) }

// exitCode is what a shell says of a command that a signal ended: whoever runs the
// next one only after success ("chatbell demo && …") must not go on, and a script can
// tell it from a failure.
func (e *stopError) exitCode() int { return 128 + int(e.signal) }

// signals is what the operator tells a running command. Commands that end by
// themselves do without: a signal ends them as it ends any program.
type signals struct {
	// ctx ends at the first signal to stop; its cause is a *stopError.
	ctx context.Context //nolint:containedctx // the command's lifetime
	// again ends at the second one: nothing is waited for any longer.
	again context.Context //nolint:containedctx // as above
	// release stops watching.
	release func()
}

// watchSignals makes SIGINT and SIGTERM, and those that are named besides, stop a
// command in order. The caller has to call release.
func watchSignals(parent context.Context, besides ...os.Signal) *signals {
	ctx, stop := context.WithCancelCause(parent)
	again, stopAgain := context.WithCancelCause(context.WithoutCancel(parent))
	arrive := make(chan os.Signal, 2) // the first two matter
	signal.Notify(arrive, append([]os.Signal{syscall.SIGINT, syscall.SIGTERM}, besides...)...)
	released := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, end := range []context.CancelCauseFunc{stop, stopAgain} {
			select {
			case sig := <-arrive:
				number, _ := sig.(syscall.Signal) // every signal of a Unix is one
				end(&stopError{number})
			case <-released:
				return
			}
		}
	}()
	return &signals{ctx: ctx, again: again, release: func() {
		signal.Stop(arrive)
		close(released)
		<-done
		stop(nil)
		stopAgain(nil)
	}}
}

// terminalGone is SIGHUP for commands that have nothing to read again: whoever closed
// the terminal wants them stopped, unless they were started with nohup.
func terminalGone() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return nil
	}
	return []os.Signal{syscall.SIGHUP}
}

// exitOnSecond ends the process at the second signal, whatever it is doing.
func (s *signals) exitOnSecond(log *slog.Logger, says string) {
	context.AfterFunc(s.again, func() {
		if stop, ok := context.Cause(s.again).(*stopError); ok { //nolint:errorlint // set as it is by watchSignals
			log.Warn(says, "signal", stop.signal.String())
			os.Exit(stop.exitCode())
		}
	})
}

// explainHangup keeps SIGHUP (systemctl reload, logrotate, the end of an ssh session)
// from ending the server, and says each time that it changed nothing. The caller has to
// call what it returns.
func explainHangup(log *slog.Logger) (release func()) {
	arrive := make(chan os.Signal, 1)
	signal.Notify(arrive, syscall.SIGHUP)
	released := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-arrive:
				log.Warn("SIGHUP changed nothing: nothing can be reloaded in this build; restart the server to apply a changed configuration, it drains first")
			case <-released:
				return
			}
		}
	}()
	return func() {
		signal.Stop(arrive)
		close(released)
		<-done
	}
}
