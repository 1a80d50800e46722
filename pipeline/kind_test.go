package pipeline_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/work"
)

// greeting is a kind of request of its own: "hello 600" greets the devices 0 to 599. That
// it is all in this file shows that a kind is a Planner and an entry in the list.
const greeting work.Kind = "greeting"

// greeter plans greetings, a hundred to a page.
type greeter struct{ networks work.Networks }

func (g greeter) Open(_ context.Context, req *plan.Request) (plan.Plan, error) {
	words, count, _ := strings.Cut(string(req.Payload), " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, work.Permanent(fmt.Errorf("a greeting says whom it greets: %w", err))
	}
	net, _ := g.networks.Network("acme")
	return &greetingPlan{net: net, id: chatbell.EventID(req.ID), words: words, count: n}, nil
}

type greetingPlan struct {
	net   *work.Network
	id    chatbell.EventID
	words string
	count int
}

func (p *greetingPlan) Network() *work.Network { return p.net }
func (p *greetingPlan) Key() string            { return string(p.id) }

func (p *greetingPlan) Row(audience uint32) chatbell.AcceptedEvent {
	return chatbell.AcceptedEvent{Network: p.net.ID, EventID: p.id, EventType: "greeting", AcceptedAt: time.Now(), Audience: audience}
}

func (p *greetingPlan) Page(_ context.Context, from plan.Cursor) (*plan.Page, error) {
	first := 0
	if from != "" {
		first, _ = strconv.Atoi(string(from))
	}
	end := min(first+100, p.count)
	b := &work.Batch{
		Notification: chatbell.Notification{
			Network: p.net.ID, EventID: p.id, EventType: "greeting", Rule: "greeting", AcceptedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		},
		Destination: work.Destination{Network: p.net.ID, Provider: chatbell.ProviderAPNs, App: "chat"},
		Texts:       []chatbell.Text{{Locale: "en", Body: p.words}},
	}
	for i := first; i < end; i++ {
		user := fmt.Sprintf("u%d", i)
		b.Targets = append(b.Targets, work.Target{User: chatbell.UserID(user), Device: chatbell.DeviceID("dev-t" + user), Token: "t" + user})
	}
	return &plan.Page{
		Batches: []*work.Batch{b},
		People:  uint32(end - first),
		Next:    plan.Cursor(strconv.Itoa(end)),
		Last:    end == p.count,
	}, nil
}

// shouting decorates a planner: it changes the words of each page before it is sent, as a
// pre-hook does.
type shouting struct{ plan.Planner }

func (s shouting) Open(ctx context.Context, req *plan.Request) (plan.Plan, error) {
	p, err := s.Planner.Open(ctx, req)
	return shoutingPlan{p}, err
}

type shoutingPlan struct{ plan.Plan }

func (s shoutingPlan) Page(ctx context.Context, from plan.Cursor) (*plan.Page, error) {
	page, err := s.Plan.Page(ctx, from)
	if err != nil {
		return nil, err
	}
	for _, b := range page.Batches {
		for i := range b.Texts {
			b.Texts[i].Body = strings.ToUpper(b.Texts[i].Body)
		}
	}
	return page, nil
}

// request publishes a request of the kind.
func (s *stage) request(kind work.Kind, id, payload string) {
	s.t.Helper()
	m := message.NewMessage(id, []byte(payload))
	work.SetKind(m, kind)
	work.SetKey(m, id)
	check(s.t, s.broker.Publisher().Publish(work.Subject(work.StreamEvents, id, "acme"), m))
}

// Requests of a new kind go the way of all others: a small one straight to its
// destinations, a large one page by page; a decorator sees each page first.
func TestKindOfRequest(t *testing.T) {
	const large = 600
	s := startWith(t, nil, func(c *pipeline.Config, s *stage) {
		c.Planners = map[work.Kind]plan.Planner{greeting: shouting{greeter{s}}}
	})
	for i := range large {
		user := fmt.Sprintf("u%d", i)
		s.device(user, "t"+user, "")
	}
	s.request(greeting, "small", "hello 3")
	s.request(greeting, "large", "welcome "+strconv.Itoa(large))
	s.wait(3 + large)
	said := map[string]int{}
	for _, p := range s.phone.all() {
		said[p.Body]++
	}
	if said["HELLO"] != 3 || said["WELCOME"] != large || len(said) != 2 {
		t.Errorf("phones were told %v, want 3 times HELLO and %d times WELCOME", said, large)
	}
}

// A request of a kind that nobody plans is a dead letter, not a hot loop.
func TestUnknownKindIsDeadLetter(t *testing.T) {
	s := start(t, nil)
	s.request("nobody's", "1", "x")
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(10 * time.Millisecond) {
		dead, err := s.broker.LastSequence(t.Context(), jetstream.DeadLetters)
		check(t, err)
		if dead == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d dead letters, want 1", dead)
		}
	}
}

// breaking fails one publish to a stream, the n-th.
type breaking struct {
	message.Publisher
	stream string
	left   atomic.Int32
}

func (b *breaking) Publish(topic string, msgs ...*message.Message) error {
	if strings.HasPrefix(topic, b.stream+".") && b.left.Add(-1) == 0 {
		return jetstream.ErrUnavailable
	}
	return b.Publisher.Publish(topic, msgs...)
}

// A fan-out that is interrupted goes on where its checkpoint stands: what was written is
// not planned again, and everybody is told once.
func TestFanOutResumes(t *testing.T) {
	const count = 1000
	opened := new(opens)
	s := startWith(t, nil, func(c *pipeline.Config, s *stage) {
		opened.Planner = greeter{s}
		c.Planners = map[work.Kind]plan.Planner{greeting: opened}
		b := &breaking{Publisher: c.Publisher, stream: work.StreamPush}
		b.left.Store(7)
		c.Publisher = b
	})
	for i := range count {
		user := fmt.Sprintf("u%d", i)
		s.device(user, "t"+user, "")
	}
	s.request(greeting, "large", "hello "+strconv.Itoa(count))
	s.wait(count)
	told := map[string]int{}
	for _, p := range s.phone.all() {
		told[p.Token]++
	}
	if len(told) != count || len(s.phone.all()) != count {
		t.Errorf("%d pushes to %d phones, want %d", len(s.phone.all()), len(told), count)
	}
	// Three pages tell that it is large, the seventh could not be written and is planned again.
	if got := opened.pages.Load(); got != count/100+1 {
		t.Errorf("%d pages were planned, want %d and the one that failed", got, count/100)
	}
}

// opens counts the pages that are planned.
type opens struct {
	plan.Planner
	pages atomic.Int32
}

func (o *opens) Open(ctx context.Context, req *plan.Request) (plan.Plan, error) {
	p, err := o.Planner.Open(ctx, req)
	return countedPlan{p, o}, err
}

type countedPlan struct {
	plan.Plan
	o *opens
}

func (c countedPlan) Page(ctx context.Context, from plan.Cursor) (*plan.Page, error) {
	c.o.pages.Add(1)
	return c.Plan.Page(ctx, from)
}
