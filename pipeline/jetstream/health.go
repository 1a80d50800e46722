package jetstream

import (
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// Writable is nil while the embedded broker can store messages in a stream. After an
// error of the disk it cannot until it is opened again, also when there is room by then.
// An external broker is not asked: publishing tells.
func (b *Broker) Writable(stream string) error {
	if b.server == nil {
		return nil
	}
	status := b.server.Healthz(&server.HealthzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Stream: stream})
	if status.Error != "" {
		return fmt.Errorf("%w: %s", ErrUnavailable, status.Error)
	}
	return nil
}
