package jetstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// subscription is one call of Subscribe. Three goroutines serve it: one reads from
// the broker, one hands out, one gives the signs of life; and one for each batch in hand
// waits for its acknowledgement.
type subscription struct {
	s        *Subscriber
	consumer jetstream.Consumer
	topic    string
	out      chan *message.Message
	atOpen   uint64 // the stream's newest sequence when the broker was opened
	credit   int    // what may be read although there is no room; the reader's own

	mu      sync.Mutex
	it      jetstream.MessagesContext
	hands   map[uint64]*Item    // everything not settled, by sequence
	older   map[uint64]struct{} // handed out by us, though older than us; bounded by the backlog at the start
	fifo    *fifo               // what no handler has; bounded by what the broker gives us
	busy    int                 // messages that handlers have
	current *Batch              // the one that those behind it wait for; nil where nothing is in order but keys
	closing bool                // what is handed back goes to the broker
	more    chan struct{}       // something may be handed out; capacity 1
	room    chan struct{}       // less waits here; capacity 1
	wg      sync.WaitGroup      // waits for acknowledgements
	left    chan struct{}       // closed when handlers that keep their messages are given up
}

func newSubscription(subscriber *Subscriber, c jetstream.Consumer, topic string) *subscription {
	sub := &subscription{
		s: subscriber, consumer: c, topic: topic, out: make(chan *message.Message),
		atOpen: subscriber.broker.SequenceAtOpen(streamName(topic)),
		hands:  map[uint64]*Item{}, older: map[uint64]struct{}{},
		more: make(chan struct{}, 1), room: make(chan struct{}, 1), left: make(chan struct{}),
	}
	sub.fifo = newFIFO(sub.wake)
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
	// handBackDelay is when the broker hands out again what a closing subscription gives
	// back, all of it alike: those that failed are not overtaken by those behind them.
	handBackDelay = time.Millisecond
	// settleTimeout is how long cancelled handlers have to let go of their messages.
	settleTimeout = 10 * time.Second
)

func (sub *subscription) open() error {
	pulled, err := sub.consumer.Messages(jetstream.PullMaxMessages(sub.s.cfg.ahead()),
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
	flow.Go(func() { sub.read(reading) })
	flow.Go(func() { sub.handOut(reading, lifetime) })
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
// AckWait to get it. What handlers hand back goes the same way from now on.
func (sub *subscription) handBack() {
	sub.mu.Lock()
	sub.closing = true
	sub.fifo.stop()
	var rest []*Item
	for _, item := range sub.hands {
		if item.place == placeHere {
			rest = append(rest, item)
		}
	}
	sub.mu.Unlock()
	slices.SortFunc(rest, bySequence)
	for _, item := range rest {
		_ = item.raw.NakWithDelay(handBackDelay) // if it is lost AckWait brings the message back
	}
	sub.forget(rest)
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

// wake makes whoever hands out look again.
func (sub *subscription) wake() {
	select {
	case sub.more <- struct{}{}:
	default:
	}
}

// handOut gives batches to the reader of the channel.
func (sub *subscription) handOut(ctx, lifetime context.Context) {
	for {
		batch := sub.next(lifetime)
		if batch == nil {
			select {
			case <-ctx.Done():
				return
			case <-sub.more:
			}
			continue
		}
		select {
		case sub.out <- batch.msg:
			sub.wg.Go(func() { sub.await(batch) })
		case <-ctx.Done():
			sub.untake(batch)
			return
		}
	}
}

// next is what may be handed out now; nil for nothing.
func (sub *subscription) next(lifetime context.Context) *Batch {
	limit := sub.s.cfg.Batch
	batches := limit.Messages > 0
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.fifo.expire(time.Now())
	free := sub.s.cfg.InFlight - sub.busy
	if sub.current != nil || free <= 0 {
		return nil
	}
	limit.Messages = min(max(limit.Messages, 1), free)
	items := sub.fifo.take(limit, !batches)
	select {
	case sub.room <- struct{}{}: // also where all that was ready waits for its key now
	default:
	}
	if len(items) == 0 {
		return nil
	}
	for _, item := range items {
		item.place = placeHandler
		item.deliveries++
		if item.sequence <= sub.atOpen {
			sub.older[item.sequence] = struct{}{}
		}
	}
	sub.busy += len(items)
	batch := &Batch{sub: sub, items: items}
	if batches {
		batch.msg = message.NewMessage(watermill.NewShortUUID(), nil)
		sub.current = batch
	} else {
		batch.msg = unmarshal(items[0].raw.Headers(), items[0].raw.Data())
	}
	ctx, cancel := context.WithCancel(context.WithValue(lifetime, batchKey{}, batch))
	batch.cancel = cancel
	batch.msg.SetContext(ctx)
	return batch
}

// untake takes back what nobody wanted.
func (sub *subscription) untake(batch *Batch) {
	batch.cancel()
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for _, item := range batch.items {
		item.place = placeHere
		item.deliveries--
		delete(sub.older, item.sequence)
	}
	sub.busy -= len(batch.items)
}

// await settles a batch once its handler has decided.
func (sub *subscription) await(batch *Batch) {
	msg := batch.msg
	select {
	case <-msg.Acked():
	case <-msg.Nacked():
	case <-sub.left:
	}
	// A decision counts also if nobody was patient enough to hear of it before.
	select {
	case <-msg.Acked():
		sub.ack(batch.items)
	case <-msg.Nacked():
		sub.nackAll(batch)
	default:
		sub.forget(sub.claim(batch.items))
	}
	sub.release(batch)
	batch.cancel()
}

func (sub *subscription) nackAll(batch *Batch) {
	reason := batch.dead.Load()
	for _, item := range batch.items {
		if reason != nil {
			sub.giveUp(item, *reason)
			continue
		}
		sub.nack(item, time.Duration(batch.delay.Load()))
	}
}

// release lets go of what comes behind a batch.
func (sub *subscription) release(batch *Batch) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if batch.released {
		return
	}
	batch.released = true
	if sub.current == batch {
		sub.current = nil
	}
	if sub.s.cfg.Batch.Messages == 0 {
		for _, item := range batch.items {
			sub.fifo.release(item, time.Now())
		}
	}
	sub.wake()
}

func (sub *subscription) hold(item *Item) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if item.place == placeHandler {
		sub.fifo.hold(item)
	}
}

// claim takes messages from their handlers, to settle them; those that were settled before
// are left out.
func (sub *subscription) claim(items []*Item) []*Item {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	claimed := make([]*Item, 0, len(items))
	for _, item := range items {
		if item.place == placeHandler {
			item.place = placeGone
			sub.busy--
			claimed = append(claimed, item)
		}
	}
	return claimed
}

func (sub *subscription) ack(items []*Item) {
	items = sub.claim(items)
	for _, item := range items {
		_ = item.raw.Ack() // if it is lost the message comes again, marked
	}
	sub.forget(items)
}

func (sub *subscription) nack(item *Item, after time.Duration) {
	if after <= 0 {
		after = sub.s.cfg.NackDelay
	}
	if item.deliveries >= sub.s.cfg.MaxDeliver {
		sub.giveUp(item, fmt.Sprintf("its handler failed %d times", item.deliveries))
		return
	}
	sub.back(item, after, 0)
}

func (sub *subscription) wait(item *Item, after time.Duration) { sub.back(item, after, 1) }

// back takes a message from its handler, to hand it out again later. Some of its
// deliveries are not counted.
func (sub *subscription) back(item *Item, after time.Duration, uncounted int) {
	sub.mu.Lock()
	if item.place != placeHandler {
		sub.mu.Unlock()
		return
	}
	sub.busy--
	closing := sub.closing
	if closing {
		item.place = placeGone
	} else {
		item.place = placeHere
		item.deliveries -= uncounted
		sub.fifo.back(item, after, time.Now())
		sub.wake()
	}
	sub.mu.Unlock()
	if closing {
		_ = item.raw.NakWithDelay(handBackDelay) // as above
		sub.forget([]*Item{item})
	}
}

func (sub *subscription) giveUp(item *Item, reason string) {
	claimed := sub.claim([]*Item{item})
	for _, item := range claimed {
		sub.s.dead(item, reason)
	}
	sub.forget(claimed)
}

// forget lets go of settled messages, and of those that waited for them.
func (sub *subscription) forget(items []*Item) {
	now := time.Now()
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for _, item := range items {
		delete(sub.hands, item.sequence)
		sub.fifo.release(item, now)
	}
	sub.wake()
}

// beat tells the broker, well within AckWait, which messages are still in hand.
func (sub *subscription) beat(ctx context.Context) {
	ticker := time.NewTicker(sub.s.cfg.AckWait / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			sub.mu.Lock()
			hands := make([]*Item, 0, len(sub.hands))
			for _, item := range sub.hands {
				hands = append(hands, item)
			}
			sub.mu.Unlock()
			for _, one := range hands {
				_ = one.raw.InProgress() // the next beat, or AckWait, makes up for a lost one
			}
		}
	}
}
