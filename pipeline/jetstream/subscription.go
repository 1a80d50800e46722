package jetstream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// inHand is a message between the broker and its acknowledgement.
type inHand struct {
	raw      jetstream.Msg
	msg      *message.Message
	delivery *delivery
	cancel   context.CancelFunc
	handled  bool // a handler has it; guarded by the subscription's lock
}

// subscription is one call of Subscribe. Three goroutines serve it: one reads from
// the broker, one hands out, one gives the signs of life; and one for each message
// waits for its acknowledgement.
type subscription struct {
	s        *Subscriber
	consumer jetstream.Consumer
	topic    string
	out      chan *message.Message
	gate     *gate

	mu    sync.Mutex
	it    jetstream.MessagesContext
	hands map[*inHand]struct{} // everything not settled
	nacks map[uint64]int       // how often handlers handed a sequence back; bounded by what is unsettled
	older map[uint64]struct{}  // handed out by us, though older than us; bounded by the backlog at the start
	ready []*inHand            // may be handed out; bounded by InFlight
	more  chan struct{}        // ready has grown; capacity 1
	wg    sync.WaitGroup       // waits for acknowledgements
	left  chan struct{}        // closed when handlers that keep their messages are given up
}

func newSubscription(s *Subscriber, c jetstream.Consumer, topic string) *subscription {
	sub := &subscription{
		s: s, consumer: c, topic: topic, out: make(chan *message.Message),
		hands: map[*inHand]struct{}{}, nacks: map[uint64]int{}, older: map[uint64]struct{}{}, more: make(chan struct{}, 1), left: make(chan struct{}),
	}
	// One key may park an eighth of what is in flight: the rest is for the others.
	sub.gate = newGate(max(s.cfg.InFlight/8, 1), sub.pass)
	return sub
}

const (
	// pullExpiry is how long a pull waits at the broker: an idle subscription costs a
	// message in this time.
	pullExpiry = 30 * time.Second
	// pullHeartbeat is how soon a lost broker is noticed. With 40 consumers it is three
	// messages a second where nothing else happens.
	pullHeartbeat = 15 * time.Second
	// reopenPause is the wait before a subscription that lost its broker tries again.
	reopenPause = 100 * time.Millisecond
	// drainTimeout bounds, for a broker that is away, how long a closing subscription waits
	// for what was sent to it.
	drainTimeout = 2 * time.Second
	// crashLoop is how many times MaxDeliver the broker itself may hand a message out.
	// Its count also has the times when no handler saw the message.
	crashLoop = 50
	// settleTimeout is how long cancelled handlers have to let go of their messages.
	settleTimeout = 10 * time.Second
)

func (sub *subscription) open() error {
	it, err := sub.consumer.Messages(jetstream.PullMaxMessages(min(sub.s.cfg.InFlight, 500)),
		jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return fmt.Errorf("read %s: %w", sub.topic, asUnavailable(err))
	}
	sub.mu.Lock()
	sub.it = it
	sub.mu.Unlock()
	return nil
}

// run serves the subscription until its end.
func (sub *subscription) run(ctx context.Context) {
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	// The messages' contexts outlive the subscription's: work in hand is finished.
	lifetime, cancelAll := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelAll()
	beating, stopBeating := context.WithCancel(context.WithoutCancel(ctx))

	var flow, signs sync.WaitGroup
	flow.Go(func() { sub.read(reading, lifetime) })
	flow.Go(func() { sub.handOut(reading) })
	signs.Go(func() { sub.beat(beating) })
	select {
	case <-ctx.Done():
	case <-sub.s.stop:
	}
	stopReading()
	flow.Wait()
	sub.handBack()
	sub.finish(cancelAll)
	stopBeating()
	signs.Wait()
	close(sub.out)
}

// handBack returns what no handler has, so that the next process need not wait for
// AckWait to get it.
func (sub *subscription) handBack() {
	sub.mu.Lock()
	var rest []*inHand
	for m := range sub.hands {
		if !m.handled {
			rest = append(rest, m)
		}
	}
	sub.mu.Unlock()
	for _, m := range rest {
		_ = m.raw.NakWithDelay(time.Millisecond) // if it is lost AckWait brings the message back
		sub.forget(m)
	}
}

// finish waits for the handlers, first patiently, then with their contexts
// cancelled. Whoever does not let go keeps its message; the broker will hand it out
// again, marked.
func (sub *subscription) finish(cancelAll func()) {
	settled := make(chan struct{})
	go func() { sub.wg.Wait(); close(settled) }()
	patience := time.NewTimer(sub.s.cfg.CloseTimeout)
	defer patience.Stop()
	select {
	case <-settled:
		return
	case <-patience.C:
	}
	cancelAll()
	patience.Reset(min(sub.s.cfg.CloseTimeout, settleTimeout))
	select {
	case <-settled:
	case <-patience.C:
		sub.s.log.Warn("handlers did not let go of their messages", "topic", sub.topic)
		close(sub.left)
		<-settled
	}
}

// read takes messages from the broker until ctx ends. Errors do not end it: a missed
// heart-beat or another leader is the broker's daily life.
func (sub *subscription) read(ctx, lifetime context.Context) {
	for ctx.Err() == nil {
		sub.mu.Lock()
		it := sub.it
		sub.mu.Unlock()
		raw, err := it.Next(jetstream.NextContext(ctx))
		if err == nil {
			sub.take(lifetime, raw)
			continue
		}
		select {
		case <-ctx.Done():
			continue
		case <-time.After(reopenPause):
		}
		it.Stop()
		if err := sub.open(); err != nil {
			sub.s.log.Warn("subscription cannot be reopened yet", "topic", sub.topic, "error", err)
		}
	}
	sub.drain(lifetime)
}

// drain takes what the broker has sent and nobody has read: as far as the broker knows
// we have it, so that it would give it to nobody else before AckWait.
func (sub *subscription) drain(lifetime context.Context) {
	sub.mu.Lock()
	it := sub.it
	sub.mu.Unlock()
	it.Drain()
	patience, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for {
		raw, err := it.Next(jetstream.NextContext(patience))
		if err != nil { // that was all, or the broker is away
			return
		}
		sub.take(lifetime, raw)
	}
}

// take brings a message to the gate.
func (sub *subscription) take(lifetime context.Context, raw jetstream.Msg) {
	md, err := raw.Metadata()
	if err != nil {
		sub.s.log.Error("message without metadata is left to the broker", "subject", raw.Subject(), "error", err)
		return
	}
	d := sub.history(md)
	m := &inHand{raw: raw, msg: unmarshal(raw.Headers(), raw.Data()), delivery: d}
	if sub.s.cfg.Key != nil {
		d.key = sub.s.cfg.Key(m.msg)
	}
	if d.key != "" && sub.gate.holds(d.key, d.sequence) {
		return // the answer to what is here settles this one, too
	}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(withDelivery(lifetime, d))
	m.msg.SetContext(ctx)
	sub.mu.Lock()
	sub.hands[m] = struct{}{}
	sub.mu.Unlock()
	switch {
	case md.NumDelivered > crashLoop*uint64(sub.s.cfg.MaxDeliver):
		sub.giveUp(m, fmt.Sprintf("delivered %d times and never settled", md.NumDelivered-1))
	case d.key == "":
		sub.pass(m)
	default:
		d.gate = sub.gate
		if !sub.gate.arrive(m, sub.comesAgain(sub.s.cfg.NackDelay)) {
			_ = raw.NakWithDelay(sub.s.cfg.NackDelay)
			sub.forget(m)
		}
	}
}

// history tells who may have had a message before.
func (sub *subscription) history(md *jetstream.MsgMetadata) *delivery {
	seq := md.Sequence.Stream
	older := seq <= sub.s.broker.SequenceAtOpen(md.Stream)
	sub.mu.Lock()
	defer sub.mu.Unlock()
	_, again := sub.older[seq]
	d := &delivery{sequence: seq, deliveries: sub.nacks[seq] + 1}
	switch {
	case again, !older && md.NumDelivered > 1:
		d.redelivery = RedeliveredHere
	case older:
		d.redelivery = RedeliveredFromBefore
	}
	return d
}

// comesAgain is until when a message that was handed back is waited for.
func (sub *subscription) comesAgain(delay time.Duration) time.Time {
	return time.Now().Add(delay + 2*sub.s.cfg.AckWait)
}

// pass queues a message to be handed out.
func (sub *subscription) pass(m *inHand) {
	sub.mu.Lock()
	sub.ready = append(sub.ready, m)
	sub.mu.Unlock()
	select {
	case sub.more <- struct{}{}:
	default:
	}
}

// handOut gives messages to the reader of the channel, in the order of the gate.
func (sub *subscription) handOut(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.more:
		}
		sub.mu.Lock()
		batch := sub.ready
		sub.ready = nil
		sub.mu.Unlock()
		for _, m := range batch {
			select {
			case sub.out <- m.msg:
				sub.mu.Lock()
				m.handled = true
				if m.delivery.sequence <= sub.s.broker.SequenceAtOpen(streamName(sub.topic)) {
					sub.older[m.delivery.sequence] = struct{}{}
				}
				sub.mu.Unlock()
				sub.wg.Go(func() { sub.await(m) })
			case <-ctx.Done():
				return
			}
		}
	}
}

// await settles a message once its handler has decided.
func (sub *subscription) await(m *inHand) {
	select {
	case <-m.msg.Acked():
	case <-m.msg.Nacked():
	case <-sub.left:
	}
	// A decision counts also if nobody was patient enough to hear of it before.
	select {
	case <-m.msg.Acked():
		_ = m.raw.Ack() // if it is lost the message comes again, marked
		sub.settled(m)
	case <-m.msg.Nacked():
		sub.nacked(m)
	default:
		sub.forget(m)
	}
}

func (sub *subscription) nacked(m *inHand) {
	if reason := m.delivery.dead.Load(); reason != nil {
		sub.giveUp(m, *reason)
		return
	}
	if m.delivery.deliveries >= sub.s.cfg.MaxDeliver {
		sub.giveUp(m, fmt.Sprintf("its handler failed %d times", m.delivery.deliveries))
		return
	}
	sub.mu.Lock()
	sub.nacks[m.delivery.sequence] = m.delivery.deliveries
	sub.mu.Unlock()
	delay := time.Duration(m.delivery.delay.Load())
	if delay <= 0 {
		delay = sub.s.cfg.NackDelay
	}
	if g := m.delivery.gate; g != nil {
		g.returned(m.delivery.key, m.delivery.sequence, sub.comesAgain(delay))
	}
	_ = m.raw.NakWithDelay(delay) // if it is lost AckWait brings the message back
	sub.forget(m)
}

func (sub *subscription) giveUp(m *inHand, reason string) {
	sub.s.dead(m, reason)
	sub.settled(m)
}

// settled lets the next of the key pass and forgets the message.
func (sub *subscription) settled(m *inHand) {
	if m.delivery.key != "" {
		sub.gate.release(m.delivery.key, m.delivery.sequence)
	}
	sub.mu.Lock()
	delete(sub.nacks, m.delivery.sequence)
	sub.mu.Unlock()
	sub.forget(m)
}

func (sub *subscription) forget(m *inHand) {
	m.cancel()
	sub.mu.Lock()
	delete(sub.hands, m)
	sub.mu.Unlock()
}

// beat tells the broker, well within AckWait, which messages are still in hand.
func (sub *subscription) beat(ctx context.Context) {
	t := time.NewTicker(sub.s.cfg.AckWait / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			sub.mu.Lock()
			hands := make([]*inHand, 0, len(sub.hands))
			for m := range sub.hands {
				hands = append(hands, m)
			}
			sub.mu.Unlock()
			for _, m := range hands {
				_ = m.raw.InProgress() // the next beat, or AckWait, makes up for a lost one
			}
			sub.gate.expire(now)
		}
	}
}
