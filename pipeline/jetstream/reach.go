package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// reconnectWait lies between two tries to reach a broker that is away: short beside
// the 5 s in which a caller is answered, and four connections a second burden nobody.
const reconnectWait = 250 * time.Millisecond

// reach opens an external broker, however long it is away: it may be started beside this
// process, and after it. What waiting does not mend ends it: a wrong password, an
// untrusted certificate, a stream that cannot be made.
func (b *Broker) reach(ctx context.Context) error {
	waiting := false
	for {
		err := b.open(ctx, func(context.Context) error {
			return b.connect(nats.Connect, strings.Join(b.cfg.URLs, ","))
		})
		if err == nil {
			if waiting {
				b.log.Info("the broker is there")
			}
			return nil
		}
		b.release() //nolint:contextcheck // a lease is given back although the opening was cut short
		if b.conn != nil {
			b.conn.Close()
			b.conn = nil
		}
		if !away(err) {
			return err
		}
		if !waiting {
			waiting = true
			b.log.Warn("the broker cannot be reached; the start waits for it", "error", err)
			if b.cfg.Waiting != nil {
				b.cfg.Waiting(err)
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(reconnectWait):
		}
	}
}

// away says that a broker may be there later: nobody answered, or not in time, or it has
// no leader for now.
func away(err error) bool {
	var untrusted *tls.CertificateVerificationError
	var network net.Error
	switch {
	case errors.As(err, &untrusted):
		return false
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, io.EOF), errors.As(err, &network):
		return true
	}
	return errors.Is(asUnavailable(err), ErrUnavailable)
}
