package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// trouble is a broker that cannot write, or a disk without room, for some time.
type trouble struct {
	begins, ends time.Time
	err          error
}

func (t *trouble) Low() error {
	if now := time.Now(); now.Before(t.begins) || now.After(t.ends) {
		return nil
	}
	return t.err
}

func (t *trouble) Writable(string) error { return t.Low() }

// The server ends when the broker cannot write for long although there is room; what passes,
// and what the disk explains, does not end it.
func TestBrokenBroker(t *testing.T) {
	for name, x := range map[string]struct {
		broken, full time.Duration // from the beginning
		ends         time.Duration // 0: it does not
	}{
		"well":                              {},
		"for a moment":                      {broken: 10 * time.Second},
		"for good":                          {broken: time.Hour, ends: 31 * time.Second},
		"for as long as the disk is full":   {broken: 10 * time.Minute, full: 10 * time.Minute},
		"for longer than the disk was full": {broken: time.Hour, full: 10 * time.Minute, ends: 631 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begins := time.Now()
				broker := &trouble{begins, begins.Add(x.broken), errors.New("no space left on device")}
				disk := &trouble{begins, begins.Add(x.full), errors.New("0 MiB free")}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				err := watchBroker(ctx, broker, disk)
				took := time.Since(begins)
				switch {
				case x.ends == 0 && err != nil:
					t.Errorf("it ends after %v: %v", took, err)
				case x.ends > 0 && (err == nil || !strings.Contains(err.Error(), "no space left") || took > x.ends+time.Second):
					t.Errorf("it ends after %v with %v, want after %v", took, err, x.ends)
				}
			})
		})
	}
}
