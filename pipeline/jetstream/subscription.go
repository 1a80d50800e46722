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

func newSubscription(subscriber *Subscriber, c jetstream.Consumer, topic string) *subscription {
	sub := &subscription{
		s: subscriber, consumer: c, topic: topic, out: make(chan *message.Message),
		hands: map[*inHand]struct{}{}, nacks: map[uint64]int{}, older: map[uint64]struct{}{}, more: make(chan struct{}, 1), left: make(chan struct{}),
	}
	// One key may park an eighth of what is in flight: the rest is for the others.
	sub.gate = newGate(max(subscriber.cfg.InFlight/8, 1), sub.pass)
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
	pulled, err := sub.consumer.Messages(jetstream.PullMaxMessages(min(sub.s.cfg.InFlight, 500)),
		jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return fmt.Errorf("read %s: %w", sub.topic, asUnavailable(err))
	}
	sub.mu.Lock()
	sub.it = pulled
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
	for held := range sub.hands {
		if !held.handled {
			rest = append(rest, held)
		}
	}
	sub.mu.Unlock()
	for _, one := range rest {
		_ = one.raw.NakWithDelay(time.Millisecond) // if it is lost AckWait brings the message back
		sub.forget(one)
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
		pulled := sub.it
		sub.mu.Unlock()
		raw, err := pulled.Next(jetstream.NextContext(ctx))
		if err == nil {
			sub.take(lifetime, raw)
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
	sub.drain(lifetime)
}

// drain takes what the broker has sent and nobody has read: as far as the broker knows
// we have it, so that it would give it to nobody else before AckWait.
func (sub *subscription) drain(lifetime context.Context) {
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
		sub.take(lifetime, raw)
	}
}

// take brings a message to the gate.
func (sub *subscription) take(lifetime context.Context, raw jetstream.Msg) {
	meta, err := raw.Metadata()
	if err != nil {
		sub.s.log.Error("message without metadata is left to the broker", "subject", raw.Subject(), "error", err)
		return
	}
	handed := sub.history(meta)
	held := &inHand{raw: raw, msg: unmarshal(raw.Headers(), raw.Data()), delivery: handed}
	if sub.s.cfg.Key != nil {
		handed.key = sub.s.cfg.Key(held.msg)
	}
	if handed.key != "" && sub.gate.holds(handed.key, handed.sequence) {
		return // the answer to what is here settles this one, too
	}
	var ctx context.Context
	ctx, held.cancel = context.WithCancel(withDelivery(lifetime, handed))
	held.msg.SetContext(ctx)
	sub.mu.Lock()
	sub.hands[held] = struct{}{}
	sub.mu.Unlock()
	switch {
	case meta.NumDelivered > crashLoop*uint64(sub.s.cfg.MaxDeliver):
		sub.giveUp(held, fmt.Sprintf("delivered %d times and never settled", meta.NumDelivered-1))
	case handed.key == "":
		sub.pass(held)
	default:
		handed.gate = sub.gate
		if !sub.gate.arrive(held, sub.comesAgain(sub.s.cfg.NackDelay)) {
			_ = raw.NakWithDelay(sub.s.cfg.NackDelay)
			sub.forget(held)
		}
	}
}

// history tells who may have had a message before.
func (sub *subscription) history(meta *jetstream.MsgMetadata) *delivery {
	seq := meta.Sequence.Stream
	older := seq <= sub.s.broker.SequenceAtOpen(meta.Stream)
	sub.mu.Lock()
	defer sub.mu.Unlock()
	_, again := sub.older[seq]
	handed := &delivery{sequence: seq, deliveries: sub.nacks[seq] + 1}
	switch {
	case again, !older && meta.NumDelivered > 1:
		handed.redelivery = RedeliveredHere
	case older:
		handed.redelivery = RedeliveredFromBefore
	}
	return handed
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
		for _, held := range batch {
			select {
			case sub.out <- held.msg:
				sub.mu.Lock()
				held.handled = true
				if held.delivery.sequence <= sub.s.broker.SequenceAtOpen(streamName(sub.topic)) {
					sub.older[held.delivery.sequence] = struct{}{}
				}
				sub.mu.Unlock()
				sub.wg.Go(func() { sub.await(held) })
			case <-ctx.Done():
				return
			}
		}
	}
}

// await settles a message once its handler has decided.
func (sub *subscription) await(held *inHand) {
	select {
	case <-held.msg.Acked():
	case <-held.msg.Nacked():
	case <-sub.left:
	}
	// A decision counts also if nobody was patient enough to hear of it before.
	select {
	case <-held.msg.Acked():
		_ = held.raw.Ack() // if it is lost the message comes again, marked
		sub.settled(held)
	case <-held.msg.Nacked():
		sub.nacked(held)
	default:
		sub.forget(held)
	}
}

func (sub *subscription) nacked(held *inHand) {
	if reason := held.delivery.dead.Load(); reason != nil {
		sub.giveUp(held, *reason)
		return
	}
	if held.delivery.deliveries >= sub.s.cfg.MaxDeliver {
		sub.giveUp(held, fmt.Sprintf("its handler failed %d times", held.delivery.deliveries))
		return
	}
	sub.mu.Lock()
	sub.nacks[held.delivery.sequence] = held.delivery.deliveries
	sub.mu.Unlock()
	delay := time.Duration(held.delivery.delay.Load())
	if delay <= 0 {
		delay = sub.s.cfg.NackDelay
	}
	if g := held.delivery.gate; g != nil {
		g.returned(held.delivery.key, held.delivery.sequence, sub.comesAgain(delay))
	}
	_ = held.raw.NakWithDelay(delay) // if it is lost AckWait brings the message back
	sub.forget(held)
}

func (sub *subscription) giveUp(m *inHand, reason string) {
	sub.s.dead(m, reason)
	sub.settled(m)
}

// settled lets the next of the key pass and forgets the message.
func (sub *subscription) settled(held *inHand) {
	if held.delivery.key != "" {
		sub.gate.release(held.delivery.key, held.delivery.sequence)
	}
	sub.mu.Lock()
	delete(sub.nacks, held.delivery.sequence)
	sub.mu.Unlock()
	sub.forget(held)
}

func (sub *subscription) forget(m *inHand) {
	m.cancel()
	sub.mu.Lock()
	delete(sub.hands, m)
	sub.mu.Unlock()
}

// beat tells the broker, well within AckWait, which messages are still in hand.
func (sub *subscription) beat(ctx context.Context) {
	ticker := time.NewTicker(sub.s.cfg.AckWait / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			sub.mu.Lock()
			hands := make([]*inHand, 0, len(sub.hands))
			for held := range sub.hands {
				hands = append(hands, held)
			}
			sub.mu.Unlock()
			for _, one := range hands {
				_ = one.raw.InProgress() // the next beat, or AckWait, makes up for a lost one
			}
			sub.gate.expire(now)
		}
	}
}
