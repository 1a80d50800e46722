package jetstream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// read takes messages from the broker until ctx ends. Errors do not end it: a missed
// heart-beat or another leader is the broker's daily life.
func (sub *subscription) read(ctx context.Context) {
	for ctx.Err() == nil {
		sub.waitForRoom(ctx)
		sub.mu.Lock()
		pulled := sub.it
		sub.mu.Unlock()
		raw, err := pulled.Next(jetstream.NextContext(ctx))
		if err == nil {
			sub.take(raw) //nolint:contextcheck // a dead letter is written whoever stops meanwhile
			continue
		}
		select {
		case <-ctx.Done():
			continue
		case <-time.After(reopenPause):
		}
		pulled.Stop()
		if err := sub.open(); err != nil {
			sub.s.log.Warn("subscription cannot be reopened yet", "topic", sub.topic, "error", err)
		}
	}
	sub.drain() //nolint:contextcheck // it begins when the context has ended
}

// waitForRoom returns when little waits here, or after a while: what the broker has sent
// and nobody takes would come a second time, because it gets no signs of life.
func (sub *subscription) waitForRoom(ctx context.Context) {
	if sub.credit > 0 {
		sub.credit--
		return
	}
	for sub.full() {
		select {
		case <-sub.room:
		case <-ctx.Done():
			return
		case <-time.After(sub.s.cfg.AckWait / 3):
			sub.credit = sub.s.cfg.ahead()
			return
		}
	}
}

// full reports whether enough waits here.
func (sub *subscription) full() bool {
	limit := sub.s.cfg.Batch
	if limit.Messages == 0 {
		return false // the broker gives no more than the handlers may have
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return len(sub.fifo.ready) >= limit.Messages || sub.fifo.bytes >= limit.Bytes
}

// drain takes what the broker has sent and nobody has read: as far as the broker knows
// we have it, so that it would give it to nobody else before AckWait.
func (sub *subscription) drain() {
	sub.mu.Lock()
	pulled := sub.it
	sub.mu.Unlock()
	pulled.Drain()
	patience, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for {
		raw, err := pulled.Next(jetstream.NextContext(patience))
		if err != nil { // that was all, or the broker is away
			return
		}
		sub.take(raw)
	}
}

// take brings a message to the others that wait.
func (sub *subscription) take(raw jetstream.Msg) {
	meta, err := raw.Metadata()
	if err != nil {
		sub.s.log.Error("message without metadata is left to the broker", "subject", raw.Subject(), "error", err)
		return
	}
	item := &Item{sub: sub, raw: raw, sequence: meta.Sequence.Stream}
	if sub.s.cfg.Key != nil {
		item.key = sub.s.cfg.Key(item)
	}
	sub.mu.Lock()
	if _, here := sub.hands[item.sequence]; here {
		sub.mu.Unlock()
		return // the broker lost patience; the answer to what is here settles this one, too
	}
	item.redelivery = sub.history(meta)
	sub.hands[item.sequence] = item
	if meta.NumDelivered > crashLoop*uint64(sub.s.cfg.MaxDeliver) {
		item.place = placeGone
		sub.mu.Unlock()
		sub.s.dead(item, fmt.Sprintf("delivered %d times and never settled", meta.NumDelivered-1))
		sub.forget([]*Item{item})
		return
	}
	sub.fifo.put(item)
	sub.mu.Unlock()
	sub.wake()
}

// history tells who may have had a message before. The lock is held.
func (sub *subscription) history(meta *jetstream.MsgMetadata) Redelivery {
	older := meta.Sequence.Stream <= sub.atOpen
	_, again := sub.older[meta.Sequence.Stream]
	switch {
	case again, !older && meta.NumDelivered > 1:
		return RedeliveredHere
	case older:
		return RedeliveredFromBefore
	}
	return FirstDelivery
}
