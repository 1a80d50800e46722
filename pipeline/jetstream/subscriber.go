package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// SubscriberConfig says how a durable consumer hands out its messages.
type SubscriberConfig struct {
	// Durable names the consumer: subscribers with the same name share its messages.
	Durable string
	// Formerly names a consumer that had the messages before, when one had those of all: a
	// new consumer begins where it stood. Empty means none.
	Formerly string
	// Batch makes each of watermill's messages a micro-batch ([BatchOf]): what waits, up to
	// these limits, never waiting for more. The next is handed out when the one before was
	// released. The zero value hands out each of the broker's messages by itself.
	Batch Limits
	// InFlight bounds the messages that handlers have; default 256.
	InFlight int
	// Parked is how many messages may wait besides; those that were handed back, and those
	// behind them of the same key. Default none: they count among those in flight.
	Parked int
	// AckWait is how long after the last sign of life a message is handed out again;
	// default 30 s. Handlers may take longer: the subscriber gives the signs.
	AckWait time.Duration
	// MaxDeliver is after how many deliveries a message goes to the dead letters;
	// default 20, which the pipeline's growing delays stretch over a quarter of an hour.
	MaxDeliver int
	// NackDelay is when a message comes again that was handed back without a delay of
	// its own; default 1 s. It is never zero, because that would be a hot loop.
	NackDelay time.Duration
	// CloseTimeout is how long Close waits for handlers before it cancels their
	// messages' contexts; default 30 s.
	CloseTimeout time.Duration
	// Key gives a message's ordering key; "" orders nothing. Nil means no keys.
	Key func(*Item) string
}

// ahead is how many messages the broker may send before anybody wants them.
func (c *SubscriberConfig) ahead() int {
	if c.Batch.Messages > 0 {
		return c.Batch.Messages
	}
	return min(c.InFlight, 500)
}

func (c *SubscriberConfig) setDefaults() error {
	if c.Durable == "" {
		return errors.New("a subscriber needs a durable name")
	}
	setDefault(&c.InFlight, 256)
	setDefault(&c.AckWait, 30*time.Second)
	setDefault(&c.MaxDeliver, 20)
	setDefault(&c.NackDelay, time.Second)
	setDefault(&c.CloseTimeout, 30*time.Second)
	return nil
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Subscriber hands out the messages of durable consumers.
type Subscriber struct {
	broker *Broker
	cfg    SubscriberConfig
	log    *slog.Logger

	mu     sync.Mutex
	closed bool
	stop   chan struct{} // closed by Close
	wg     sync.WaitGroup
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// Subscriber makes a subscriber. It must be closed before the broker.
func (b *Broker) Subscriber(cfg SubscriberConfig) (*Subscriber, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	return &Subscriber{broker: b, cfg: cfg, log: b.log, stop: make(chan struct{})}, nil
}

// SubscribeInitialize creates the topic's consumer without reading from it.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	_, err := s.consumer(ctx, topic)
	return err
}

var errSubscriberClosed = errors.New("subscriber is closed")

// Subscribe hands out the messages of a topic (a subject, which may have wildcards, or
// several of one stream with commas in between) until ctx ends or Close is called. The messages' own contexts live on until they
// are settled, or until the CloseTimeout is over.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	consumer, err := s.consumer(ctx, topic)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errSubscriberClosed
	}
	sub := newSubscription(s, consumer, topic)
	if err := sub.open(); err != nil {
		return nil, err
	}
	s.wg.Go(func() { sub.run(ctx) })
	return sub.out, nil
}

func (s *Subscriber) consumer(ctx context.Context, topic string) (jetstream.Consumer, error) {
	if err := s.broker.topic(ctx, topic); err != nil {
		return nil, err
	}
	cfg := jetstream.ConsumerConfig{
		Durable: s.cfg.Durable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: s.cfg.AckWait,
		// We write the dead letter ourselves, so the broker must not give up first.
		MaxAckPending: s.cfg.InFlight + s.cfg.Parked, MaxDeliver: -1,
	}
	if subjects := strings.Split(topic, ","); len(subjects) > 1 {
		cfg.FilterSubjects = subjects
	} else {
		cfg.FilterSubject = topic
	}
	stream := streamName(topic)
	start, err := s.broker.resume(ctx, stream, s.cfg.Durable, uint64(rewindFactor*(s.cfg.InFlight+s.cfg.Parked)))
	if err != nil {
		return nil, err
	}
	if start == 0 && s.cfg.Formerly != "" {
		if start, err = s.broker.floorOf(ctx, stream, s.cfg.Formerly); err != nil {
			return nil, err
		}
	}
	if start > 0 {
		cfg.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
		cfg.OptStartSeq = start
	}
	consumer, err := s.broker.js.CreateOrUpdateConsumer(ctx, stream, cfg)
	if err == nil && start > 0 {
		err = s.broker.dropConsumer(ctx, stream, s.cfg.Durable+rewinding)
	}
	if err != nil {
		return nil, fmt.Errorf("create consumer %s of %s: %w", s.cfg.Durable, topic, asUnavailable(err))
	}
	return consumer, nil
}

// rewinding is the suffix of the consumer that remembers the floor of another one while
// that is made anew: a process that is killed in between must not begin at the beginning.
const rewinding = "-rewinding"

func (b *Broker) dropConsumer(ctx context.Context, stream, name string) error {
	if err := b.js.DeleteConsumer(ctx, stream, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	return nil
}

// rewindFactor bounds, as a multiple of what is in flight, how much a rewound
// consumer may read again: mostly it is no more than once what is in flight, and
// where one message has held the floor back for long, waiting for it is cheaper.
const rewindFactor = 4

// resume returns where a durable consumer started, or 0 if that was the beginning.
// The first time after the embedded broker was opened, a consumer with messages in
// the hands of a process that is gone is made anew at its floor: they come at once
// and before what follows them, instead of after AckWait and behind it.
func (b *Broker) resume(ctx context.Context, stream, durable string, limit uint64) (uint64, error) {
	consumer, err := b.js.Consumer(ctx, stream, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		b.first(stream, durable)
		if consumer, err = b.js.Consumer(ctx, stream, durable+rewinding); err == nil {
			return consumer.CachedInfo().Config.OptStartSeq, nil
		}
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return 0, nil
		}
	}
	if err != nil {
		return 0, fmt.Errorf("consumer %s of %s: %w", durable, stream, asUnavailable(err))
	}
	info := consumer.CachedInfo()
	floor := info.AckFloor.Stream
	alone := b.server != nil && b.first(stream, durable)
	if !alone || info.NumAckPending == 0 || info.Delivered.Consumer-info.AckFloor.Consumer > limit {
		return info.Config.OptStartSeq, nil
	}
	err = b.dropConsumer(ctx, stream, durable+rewinding) // of a rewinding that was finished
	if err == nil {
		_, err = b.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
			Durable: durable + rewinding, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: floor + 1,
		})
	}
	if err == nil {
		err = b.js.DeleteConsumer(ctx, stream, durable)
	}
	if err != nil {
		return 0, fmt.Errorf("rewind consumer %s of %s: %w", durable, stream, asUnavailable(err))
	}
	return floor + 1, nil
}

// floorOf is the first sequence that a consumer has not finished; 0 where there is no such
// consumer, or it has finished nothing.
func (b *Broker) floorOf(ctx context.Context, stream, durable string) (uint64, error) {
	consumer, err := b.js.Consumer(ctx, stream, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("consumer %s of %s: %w", durable, stream, asUnavailable(err))
	}
	floor := consumer.CachedInfo().AckFloor.Stream
	if floor == 0 {
		return 0, nil
	}
	return floor + 1, nil
}

// first reports whether it is asked for the first time.
func (b *Broker) first(stream, durable string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := stream + "/" + durable
	known := b.resumed[key]
	b.resumed[key] = true
	return !known
}

// Close ends all subscriptions and waits for them: handlers have CloseTimeout to
// finish; then their messages' contexts are cancelled, and what they do not settle
// is handed out again later.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// dead gives a message up: a copy with the reason goes to the dead letters first, so
// that nothing is lost if this process dies in between.
func (s *Subscriber) dead(item *Item, reason string) {
	err := s.broker.bury(context.Background(), withTries(item.raw.Headers(), item.deliveries), item.raw.Subject(), s.cfg.Durable, item.sequence, item.raw.Data(), reason)
	if err != nil {
		s.log.Error("cannot write a dead letter; the message comes again", "subject", item.raw.Subject(), "sequence", item.sequence, "error", err)
		_ = item.raw.NakWithDelay(s.cfg.NackDelay) // if this is lost too, AckWait brings the message back
		return
	}
	_ = item.raw.TermWithReason("see the stream " + DeadLetters)
}

// Bury puts a message that somebody read and could not use among the dead letters.
// Doing so again changes nothing, for as long as the stream remembers ids.
func (b *Broker) Bury(ctx context.Context, subject string, sequence uint64, payload []byte, reason string) error {
	return b.bury(ctx, nil, subject, "reader", sequence, payload, reason)
}

func (b *Broker) bury(ctx context.Context, header nats.Header, subject, by string, sequence uint64, payload []byte, reason string) error {
	h := nats.Header{}
	maps.Copy(h, header)
	h.Set(nats.MsgIdHdr, "dead-"+by+"-"+strconv.FormatUint(sequence, 10))
	h.Set(headerDeadReason, reason)
	h.Set(headerDeadSubject, subject)
	h.Set(headerDeadSequence, strconv.FormatUint(sequence, 10))
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := b.topic(ctx, DeadLetters); err != nil {
		return err
	}
	if _, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: DeadLetters + "." + subject, Header: h, Data: payload}); err != nil {
		return fmt.Errorf("write a dead letter: %w", asUnavailable(err))
	}
	b.cfg.Buried(subject, sequence, reason)
	return nil
}
