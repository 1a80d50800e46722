package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline"
	"chatbell/pipeline/deliver"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger/rowcodec"
	"chatbell/pipeline/push"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
	"chatbell/rules"
	"chatbell/templates"
)

// phone is a push provider that keeps what it accepted; answer may refuse.
type phone struct {
	answer func(token string) error

	mu   sync.Mutex
	sent []sentPush
}

type sentPush struct{ Token, Title, Body, Collapse string }

type payload struct{ n push.Content }

func (payload) Truncated() bool { return false }
func (payload) Size() int       { return 1 }

func (*phone) Prepare(n *push.Content) (push.Payload, error) { return payload{*n}, nil }

func (p *phone) Send(ctx context.Context, pl push.Payload, t push.Target) (push.Receipt, error) {
	if p.answer != nil {
		if err := p.answer(t.Token); err != nil {
			return push.Receipt{}, err
		}
	}
	n := pl.(payload).n
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, sentPush{t.Token, n.Title, n.Body, n.CollapseID})
	return push.Receipt{ProviderID: "p-" + t.Token, Status: 200}, ctx.Err()
}

func (p *phone) all() []sentPush {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sentPush(nil), p.sent...)
}

// hook is a customer's endpoint that keeps its calls.
type hook struct {
	answer func(attempt int) error

	mu    sync.Mutex
	calls []webhooks.Call
}

func (h *hook) Deliver(_ context.Context, _ chatbell.Endpoint, call webhooks.Call) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, call)
	if h.answer != nil {
		if err := h.answer(call.Attempt); err != nil {
			return 0, err
		}
	}
	return 200, nil
}

// all are the calls so far.
func (h *hook) all() []webhooks.Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

type noObserver struct{}

func (noObserver) Handled(string, string, time.Duration)                                       {}
func (noObserver) Matched(time.Duration, uint32, bool)                                         {}
func (noObserver) Tried(chatbell.TargetKind, chatbell.Outcome, chatbell.Reason, time.Duration) {}
func (noObserver) Finished([]chatbell.Delivery)                                                {}

// stage is a pipeline on a real broker and a real store, with its results read back
// from the stream.
type stage struct {
	t       *testing.T
	dir     string
	broker  *jetstream.Broker
	store   *sqlite.Store
	net     *work.Network
	phone   *phone
	hook    *hook
	results chatbell.Results
	next    uint64
	reading sync.Mutex  // one goroutine may read a stream
	full    atomic.Bool // no room for results
	asked   atomic.Int32
	paused  func() bool
	stop    func()
	ended   func(error) // judges what Run returned; any error fails the test where nil
}

// Network implements work.Networks.
func (s *stage) Network(id chatbell.NetworkID) (*work.Network, bool) {
	return s.net, id == s.net.ID
}

// Full implements pipeline.Room.
func (s *stage) Full(context.Context) (bool, error) {
	s.asked.Add(1)
	return s.full.Load(), nil
}

func start(t *testing.T, change func(*work.Network)) *stage {
	t.Helper()
	return startWith(t, change, nil)
}

// startWith also changes what the pipeline is made of.
func startWith(t *testing.T, change func(*work.Network), config func(*pipeline.Config, *stage)) *stage {
	t.Helper()
	s := newStage(t)
	s.run(change, config)
	return s
}

// newStage is a stage whose pipeline does not run yet. Its test runs beside others: most
// of its time is waiting.
func newStage(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	s := &stage{t: t, dir: dir, phone: &phone{}, hook: &hook{}, next: 1}
	s.openBroker()
	t.Cleanup(func() { check(t, s.broker.Close()) })
	var err error
	s.store, err = sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "db")})
	check(t, err)
	t.Cleanup(func() { check(t, s.store.Close()) })
	return s
}

func (s *stage) openBroker() {
	s.t.Helper()
	var err error
	s.broker, err = jetstream.Open(s.t.Context(), jetstream.Config{Dir: filepath.Join(s.dir, "js"), Streams: pipeline.Streams(0)})
	check(s.t, err)
}

// subscribe opens the stages' subscribers; 0 deliveries are the default.
func (s *stage) subscribe(maxDeliver int) func(pipeline.Consumer, int) (message.Subscriber, error) {
	return func(c pipeline.Consumer, share int) (message.Subscriber, error) {
		cfg := c.Subscriber(share)
		cfg.CloseTimeout = time.Second
		cfg.MaxDeliver = maxDeliver
		return s.broker.Subscriber(cfg)
	}
}

func (s *stage) run(change func(*work.Network), config func(*pipeline.Config, *stage)) {
	t := s.t
	t.Helper()
	rs, err := rules.New()
	check(t, err)
	cat, err := templates.New(templates.Config{DefaultLocale: "en"})
	check(t, err)
	s.net = &work.Network{
		ID: "acme", DefaultLocale: "en", Delivery: chatbell.DeliverDirect, Rules: rs, Catalogue: cat,
		Pushers: map[work.Credential]push.Notifier{{Provider: chatbell.ProviderAPNs, App: "chat"}: s.phone},
	}
	if change != nil {
		change(s.net)
	}
	cfg := pipeline.Config{
		Publisher: s.broker.Publisher(), Subscribe: s.subscribe(0), Store: s.store,
		Networks: s, Results: s.broker.Tail(work.StreamResults), Room: s, Caller: s.hook, Observer: noObserver{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Retry:        deliver.Retry{PushInitial: 10 * time.Millisecond, PushMax: 50 * time.Millisecond, PushExpire: time.Hour, Webhooks: []time.Duration{10 * time.Millisecond, 20 * time.Millisecond}},
		CloseTimeout: time.Second,
	}
	if config != nil {
		config(&cfg, s)
	}
	p, err := pipeline.New(cfg)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	<-p.Running()
	s.paused, s.stop = p.Paused, cancel
	if s.ended == nil {
		s.ended = func(err error) { check(t, err) }
	}
	t.Cleanup(func() { cancel(); s.ended(<-done) })
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// post publishes an event as intake does.
func (s *stage) post(events ...chatbell.Event) {
	s.t.Helper()
	for _, e := range events {
		env := chatbell.Envelope{Network: "acme", Event: e, AcceptedAt: time.Now(), Source: chatbell.SourceEvent}
		data, err := json.Marshal(env)
		check(s.t, err)
		m := message.NewMessage(chatbell.EventKey("acme", e.ID), data)
		work.SetKey(m, env.Key())
		check(s.t, s.broker.Publisher().Publish(work.Subject(work.StreamEvents, env.Key(), "acme"), m))
	}
}

// wait reads results until there are n deliveries, and fails if there are more.
func (s *stage) wait(n int) {
	s.t.Helper()
	s.until(fmt.Sprint(n, " deliveries"), func() bool { return len(s.results.Deliveries) >= n })
	if len(s.results.Deliveries) != n {
		s.t.Fatalf("%d deliveries, want %d", len(s.results.Deliveries), n)
	}
}

// until reads results until they are what is wanted.
func (s *stage) until(what string, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), polltest.Patience)
	defer cancel()
	for !ok() {
		s.read(ctx, what, 100*time.Millisecond)
	}
	s.read(ctx, what, 0)
}

// read reads the results that have come.
func (s *stage) read(ctx context.Context, what string, wait time.Duration) {
	s.t.Helper()
	s.reading.Lock()
	records, err := s.broker.Read(ctx, work.StreamResults, s.next, 1000, wait)
	s.reading.Unlock()
	if err != nil {
		s.t.Fatalf("%s: %d deliveries and %d attempts have come: %v", what, len(s.results.Deliveries), len(s.results.Attempts), err)
	}
	for _, r := range records {
		check(s.t, rowcodec.Append(&s.results, r.Payload))
		s.next = r.Sequence + 1
	}
}

// idle reports whether nothing is in hand, waits, or is to be tried again: what has not
// happened by then never will. Work goes from the streams to the backlogs in the store:
// it is in one of them at any time.
func (s *stage) idle() bool {
	s.t.Helper()
	began := time.Now()
	if s.waits() {
		return false
	}
	for _, c := range pipeline.Consumers() {
		backlog, err := s.broker.Backlog(s.t.Context(), c.Stream, c.Durables()...)
		check(s.t, err)
		if backlog.Pending+backlog.InFlight > 0 || backlog.At.Before(began) { // an answer may be some moments old
			return false
		}
	}
	return !s.waits()
}

func (s *stage) waits() bool {
	s.t.Helper()
	backlogs, err := s.store.Backlogs(s.t.Context())
	check(s.t, err)
	return len(backlogs) > 0
}

// outcomes are the rows in short: user, target, outcome, level, reason.
func (s *stage) outcomes() map[string]int {
	out := map[string]int{}
	for _, d := range s.results.Deliveries {
		out[fmt.Sprintf("%s %s %s %s/%s", d.UserID, d.Target, d.Outcome, d.Level, d.Reason)]++
	}
	return out
}

func (s *stage) device(user, token, locale string) {
	s.t.Helper()
	_, err := s.store.RegisterDevice(s.t.Context(), "acme", chatbell.Device{
		ID: chatbell.DeviceID("dev-" + token), User: chatbell.UserID(user), Provider: chatbell.ProviderAPNs, App: "chat", Token: token, Locale: locale,
	})
	check(s.t, err)
}

func people(ids ...string) []chatbell.Person {
	var out []chatbell.Person
	for _, id := range ids {
		out = append(out, chatbell.Person{ID: chatbell.UserID(id), Name: "N" + id})
	}
	return out
}

func created(id string, actor string, members ...string) chatbell.Event {
	return chatbell.Event{
		ID: chatbell.EventID(id), Type: chatbell.ChannelCreated, Time: time.Now(), Actor: people(actor)[0],
		Channel: chatbell.ChannelRef{ID: "c", Name: "Chan"}, Members: people(members...),
	}
}

func text(id, actor, body string) chatbell.Event {
	return chatbell.Event{
		ID: chatbell.EventID(id), Type: chatbell.MessageCreated, Time: time.Now(), Actor: people(actor)[0],
		Channel: chatbell.ChannelRef{ID: "c", Name: "Chan"}, Message: &chatbell.Message{ID: "m" + id, Type: chatbell.MessageText, Text: body},
	}
}

func TestThreeTriggers(t *testing.T) {
	s := start(t, nil)
	s.device("a", "ta", "")
	s.device("b", "tb", "de")
	s.device("d", "td", "")
	s.post(created("1", "a", "a", "b", "c"))
	s.wait(3)
	s.post(chatbell.Event{
		ID: "2", Type: chatbell.ChannelJoined, Time: time.Now(), Actor: people("d")[0],
		Channel: chatbell.ChannelRef{ID: "c", Name: "Chan"}, Members: people("d"),
	})
	s.wait(7)
	m := text("3", "a", "hello")
	m.Message.Mentions = []chatbell.UserID{"b", "stranger"}
	s.post(m)
	s.wait(12)
	want := map[string]int{
		"a none suppressed /self":                2,
		"a apns accepted /":                      1,
		"b apns accepted /":                      3,
		"c none suppressed device/no_device":     3,
		"d none suppressed /self":                1,
		"d apns accepted /":                      1,
		"stranger none suppressed /not_a_member": 1,
	}
	if diff := cmp.Diff(want, s.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	got := map[string]bool{}
	for _, p := range s.phone.all() {
		got[p.Token+"|"+p.Title+"|"+p.Body] = true
	}
	wantTexts := map[string]bool{
		"tb|Chan|Du bist jetzt Mitglied von Chan!": true, "ta|Nd|Nd has joined Chan": true, "tb|Nd|Nd ist Chan beigetreten": true,
		"tb|Na (Chan)|hello": true, "td|Na (Chan)|hello": true,
	}
	if diff := cmp.Diff(wantTexts, got); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if len(s.results.Events) != 3 {
		t.Errorf("%d event rows, want 3", len(s.results.Events))
	}
}

// TestFanOut sends to more people than one hop takes; everybody is told once.
func TestFanOut(t *testing.T) {
	const n = 3000
	s := start(t, nil)
	var ids []string
	for i := range n {
		id := fmt.Sprintf("u%05d", i)
		ids = append(ids, id)
		s.device(id, "t"+id, []string{"", "de", "ja"}[i%3])
	}
	for i := 0; i < n; i += 1000 {
		e := created(fmt.Sprint("c", i), "nobody", ids[i:i+1000]...)
		e.Type = chatbell.ChannelUpdated // only the state
		for _, id := range ids[i : i+1000] {
			check(t, s.store.PutMember(t.Context(), "acme", "c", chatbell.Member{User: chatbell.User{ID: chatbell.UserID(id)}}))
		}
	}
	s.post(text("big", "u00000", "hi"))
	s.wait(n)
	seen := map[string]int{}
	for _, p := range s.phone.all() {
		seen[p.Token]++
	}
	if len(seen) != n-1 || len(s.phone.all()) != n-1 {
		t.Errorf("%d pushes to %d devices, want %d each", len(s.phone.all()), len(seen), n-1)
	}
	if s.results.Events[0].Audience != n {
		t.Errorf("audience %d, want %d", s.results.Events[0].Audience, n)
	}
}

// TestRetry refuses the first tries; the row comes when the outcome is final, and
// every try has its own.
func TestRetry(t *testing.T) {
	s := start(t, nil)
	var mu sync.Mutex
	tries := map[string]int{}
	s.phone.answer = func(token string) error {
		mu.Lock()
		defer mu.Unlock()
		tries[token]++
		switch {
		case token == "dead":
			return &chatbell.SendError{Reason: chatbell.Unregistered, Status: 410, ProviderReason: "Unregistered"}
		case tries[token] < 3:
			return &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, Status: 503}
		}
		return nil
	}
	s.device("b", "flaky", "")
	s.device("c", "dead", "")
	s.post(created("1", "a", "b", "c"))
	s.wait(2)
	want := map[string]int{"b apns accepted /": 1, "c apns failed /unregistered": 1}
	if diff := cmp.Diff(want, s.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if len(s.results.Attempts) != 4 {
		t.Errorf("%d attempts, want 4: three and one", len(s.results.Attempts))
	}
	if left, _ := s.store.Devices(t.Context(), "acme", deviceFilter("c")); len(left) != 0 {
		t.Errorf("the dead token is still there: %v", left)
	}
}

// TestWebhookMode calls the endpoint once for each language and keeps the webhook-id
// over retries.
func TestWebhookMode(t *testing.T) {
	s := start(t, func(n *work.Network) {
		n.Delivery = chatbell.DeliverWebhook
		n.Endpoints = []chatbell.Endpoint{{ID: "main", URL: "https://x", Events: []string{webhooks.PushNotificationCreated}}}
	})
	s.hook.answer = func(attempt int) error {
		if attempt == 1 {
			return &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, Status: 503}
		}
		return nil
	}
	check(t, s.store.PutUser(t.Context(), "acme", chatbell.User{ID: "b", Locale: "de"}))
	s.post(created("1", "a", "a", "b", "c"))
	s.wait(3)
	want := map[string]int{"a none suppressed /self": 1, "b webhook accepted /": 1, "c webhook accepted /": 1}
	if diff := cmp.Diff(want, s.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	ids := map[string]int{}
	for _, c := range s.hook.calls {
		ids[c.ID]++
	}
	if len(ids) != 2 || len(s.hook.calls) != 4 {
		t.Errorf("calls by id %v, want two ids with two calls each", ids)
	}
}
