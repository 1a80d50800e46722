package jetstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats-server/v2/server"

	"chatbell/internal/polltest"
	"chatbell/pipeline/jetstream"
)

// childDir makes this test's binary publish until it is killed.
const childDir = "CHATBELL_TEST_PUBLISH_TO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, publishForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// publishForever says each id once it is stored.
func publishForever(dir string) error {
	b, err := jetstream.Open(context.Background(), jetstream.Config{Dir: dir, Streams: []jetstream.Stream{{Name: "KILL"}}})
	if err != nil {
		return err
	}
	p := b.Publisher()
	for i := 0; ; i++ {
		id := fmt.Sprint("m", i)
		if err := p.Publish("KILL.x", message.NewMessage(id, []byte(id))); err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// What a killed process was told is stored is there after it, exactly once.
func TestKilledPublisherLosesNothing(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acked []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		acked = append(acked, lines.Text())
		if len(acked) == 500 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(acked) < 500 {
		t.Fatalf("the child said only %d ids", len(acked))
	}
	b := open(t, dir)
	p := b.Publisher()
	again := make([]*message.Message, len(acked))
	for i, id := range acked {
		again[i] = message.NewMessage(id, []byte(id))
	}
	results, err := p.PublishAcked(t.Context(), func(int) string { return "KILL.x" }, again)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if !r.Duplicate {
			t.Fatalf("%s, which was acknowledged, is not known after the kill", acked[i])
		}
	}
	var records []jetstream.Record
	for len(records) < len(acked) {
		more, err := b.Read(t.Context(), "KILL", uint64(len(records))+1, len(acked)-len(records), polltest.Patience)
		if err != nil || len(more) == 0 {
			t.Fatalf("%d of %d records, %v", len(records), len(acked), err)
		}
		records = append(records, more...)
	}
	for i, r := range records {
		if string(r.Payload) != acked[i] {
			t.Fatalf("record %d is %s, want %s", i, r.Payload, acked[i])
		}
	}
}

// After a restart what was not acknowledged comes at once, first, in order, and
// marked; what was acknowledged at the end of the line does not come.
func TestRestartResumesInOrder(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	var all []*message.Message
	for i := range 40 {
		all = append(all, event(fmt.Sprint(i), fmt.Sprint("k", i)))
	}
	publish(t, b, "RESUME.x", all...)
	out, s := subscribe(t, b, "RESUME.>", func(c *jetstream.SubscriberConfig) { c.AckWait = time.Hour })
	for i := range 8 {
		m := next(t, out)
		if m.UUID != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", m.UUID, i)
		}
		m.Ack()
	}
	for range 4 {
		next(t, out) // in hand until the end
	}
	settled(t, b, "RESUME", 32)
	if err := errors.Join(s.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}

	b = open(t, dir)
	publish(t, b, "RESUME.x", event("40", "k0"))
	out, _ = subscribe(t, b, "RESUME.>", func(c *jetstream.SubscriberConfig) { c.AckWait = time.Hour })
	for i := 8; i <= 40; i++ {
		m := next(t, out)
		if m.UUID != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", m.UUID, i)
		}
		want := jetstream.FirstDelivery
		if i < 40 {
			want = jetstream.RedeliveredFromBefore
		}
		if got := jetstream.RedeliveryOf(m); got != want {
			t.Errorf("%d: redelivery %d, want %d", i, got, want)
		}
		m.Ack()
	}
	none(t, b, "RESUME.x", out)
}

// What a partition had in hand comes at once after a restart, however many messages of other
// partitions lie in between.
func TestRestartResumesAPartition(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	for i := range 200 {
		publish(t, b, fmt.Sprintf("PART.%d.x", i%50), event(fmt.Sprint(i), ""))
	}
	patient := func(c *jetstream.SubscriberConfig) {
		c.AckWait = time.Hour
		c.InFlight = 4
	}
	out, s := subscribe(t, b, "PART.0.>", patient)
	for range 4 {
		next(t, out) // in hand until the end
	}
	if err := errors.Join(s.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	out, _ = subscribe(t, b, "PART.0.>", patient)
	for _, want := range []string{"0", "50", "100", "150"} {
		m := next(t, out)
		if m.UUID != want {
			t.Errorf("got %s, want %s", m.UUID, want)
		}
		m.Ack()
	}
}

// An id is known after a restart, also when its message was handled and purged.
func TestDedupAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	publish(t, b, "DEDUP.x", event("1", ""), event("2", ""))
	out, s := subscribe(t, b, "DEDUP.>")
	next(t, out).Ack()
	next(t, out).Ack()
	settled(t, b, "DEDUP", 0)
	if err := errors.Join(s.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	results, err := b.Publisher().PublishAcked(t.Context(), func(int) string { return "DEDUP.x" },
		[]*message.Message{event("1", ""), event("3", ""), event("2", "")})
	if err != nil {
		t.Fatal(err)
	}
	if !results[0].Duplicate || results[1].Duplicate || !results[2].Duplicate {
		t.Errorf("got %+v", results)
	}
}

// What was handled is purged only when it is older than the window in which ids are
// remembered, because the broker remembers them by its messages.
func TestPurgeKeepsTheWindow(t *testing.T) {
	t.Run("within", func(t *testing.T) {
		b, held := handled(t, time.Hour)
		check(t, b.PurgeAcknowledged(t.Context(), "PURGE", "test"))
		if left := kept(t, b); left != 3 {
			t.Errorf("%d messages are left within the window, want all 3", left)
		}
		held.Ack()
	})
	t.Run("after", func(t *testing.T) {
		b, held := handled(t, 300*time.Millisecond)
		polltest.Until(t, "only what is in hand is left", func() bool {
			check(t, b.PurgeAcknowledged(t.Context(), "PURGE", "test"))
			left := kept(t, b)
			if left == 0 {
				t.Fatal("what is in hand was purged")
			}
			return left == 1
		})
		held.Ack()
	})
}

// handled is a stream of three messages, two of them acknowledged and one in hand.
func handled(t *testing.T, window time.Duration) (b *jetstream.Broker, held *message.Message) {
	t.Helper()
	b = open(t, t.TempDir(), func(c *jetstream.Config) { c.DedupWindow = window })
	publish(t, b, "PURGE.x", event("1", ""), event("2", ""), event("3", ""))
	out, _ := subscribe(t, b, "PURGE.>")
	next(t, out).Ack()
	next(t, out).Ack()
	held = next(t, out)
	settled(t, b, "PURGE", 1)
	return b, held
}

// kept is how many messages a stream has.
func kept(t *testing.T, b *jetstream.Broker) int {
	t.Helper()
	first, err := b.Read(t.Context(), "PURGE", 1, 10, polltest.Patience)
	check(t, err)
	if len(first) == 0 {
		return 0
	}
	last, err := b.LastSequence(t.Context(), "PURGE")
	check(t, err)
	return int(last - first[0].Sequence + 1)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFullStream(t *testing.T) {
	b := open(t, t.TempDir(), func(c *jetstream.Config) { c.Streams = []jetstream.Stream{{Name: "FULL", MaxBytes: 10_000}} })
	payload := []byte(strings.Repeat("x", 1_000))
	p, n := b.Publisher(), 0
	var err error
	for ; n < 100 && err == nil; n++ {
		err = p.Publish("FULL.x", message.NewMessage(fmt.Sprint(n), payload))
	}
	if !errors.Is(err, jetstream.ErrFull) || n < 5 {
		t.Errorf("message %d: %v, want ErrFull", n, err)
	}
	backlog, err := b.Backlog(t.Context(), "FULL", "test")
	if err != nil || backlog.Pending != uint64(n-1) || backlog.Bytes > backlog.MaxBytes {
		t.Errorf("backlog %+v, %v", backlog, err)
	}
}

// A message that cannot be handled ends among the dead letters, with the reason and
// with all that it was, and its key goes on.
func TestDeadLetters(t *testing.T) {
	b := open(t, t.TempDir())
	poison := event("poison", "k")
	poison.Metadata.Set("odd", "ä\tü: \"")
	publish(t, b, "SICK.x", poison, event("hopeless", "k"), event("well", "k"))
	out, _ := subscribe(t, b, "SICK.>", func(c *jetstream.SubscriberConfig) { c.MaxDeliver = 3 })
	m := next(t, out)
	jetstream.SetDead(m, "cannot be read")
	m.Nack()
	for range 3 {
		if m = next(t, out); m.UUID != "hopeless" {
			t.Fatalf("got %s", m.UUID)
		}
		m.Nack()
	}
	if m = next(t, out); m.UUID != "well" {
		t.Fatalf("got %s", m.UUID)
	}
	m.Ack()
	letters, _ := subscribe(t, b, "DEAD.>")
	for _, want := range []struct{ payload, reason string }{{"poison", "cannot be read"}, {"hopeless", "its handler failed 3 times"}} {
		l := next(t, letters)
		if string(l.Payload) != want.payload || l.Metadata.Get("Chatbell-Dead-Reason") != want.reason ||
			l.Metadata.Get("Chatbell-Dead-Subject") != "SICK.x" || l.Metadata.Get(keyOf) != "k" ||
			want.payload == "poison" && l.Metadata.Get("odd") != "ä\tü: \"" {
			t.Errorf("dead letter %s %v, want %+v", l.Payload, l.Metadata, want)
		}
		l.Ack()
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := jetstream.Open(t.Context(), jetstream.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "another process uses") {
		t.Errorf("opening a second time: %v", err)
	}
}

// An external broker does what the embedded one does.
func TestExternalBroker(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: filepath.Join(t.TempDir(), "nats"), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(polltest.Patience) {
		t.Fatal("no server")
	}
	b := open(t, "", func(c *jetstream.Config) { c.URLs = []string{s.ClientURL()} })
	publish(t, b, "FAR.x", event("1", "k"), event("2", "k"))
	out, _ := subscribe(t, b, "FAR.>")
	for _, want := range []string{"1", "2"} {
		m := next(t, out)
		if m.UUID != want {
			t.Errorf("got %s, want %s", m.UUID, want)
		}
		m.Ack()
	}
}

// A broker that nobody can reach is waited for, until the caller has no more time; one
// that does not want us is not.
func TestExternalBrokerAway(t *testing.T) {
	ctx, giveUp := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	told := 0
	_, err := jetstream.Open(ctx, jetstream.Config{URLs: []string{"nats://" + polltest.NobodyListens(t)}, Waiting: func(error) { told++; giveUp(enough) }})
	if !errors.Is(err, enough) || !strings.Contains(err.Error(), "configuration key broker") || told != 1 {
		t.Errorf("a broker that is not there: %v, told %d times", err, told)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, Username: "u", Password: "p", NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(polltest.Patience) {
		t.Fatal("no server")
	}
	url := "nats://u:wr0ng@" + s.Addr().String()
	_, err = jetstream.Open(t.Context(), jetstream.Config{URLs: []string{url}, Waiting: func(error) { t.Error("it is waited for") }})
	if err == nil || !strings.Contains(err.Error(), "configuration key broker") || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("a broker that wants another password: %v", err)
	}
}

// Shares that take over from one consumer begin where it stood, and have the messages
// between them; what is purged behind them is what all have finished.
func TestSharesTakeOver(t *testing.T) {
	b := open(t, t.TempDir())
	for i := range 20 {
		publish(t, b, fmt.Sprintf("SHARE.%d.x", i%4), event(fmt.Sprint(i), ""))
	}
	out, s := subscribe(t, b, "SHARE.>")
	for range 10 {
		next(t, out).Ack()
	}
	check(t, s.Close())
	settled(t, b, "SHARE", 10)
	got := map[string]bool{}
	names := []string{"even", "odd"}
	for i, topic := range []string{"SHARE.0.>,SHARE.2.>", "SHARE.1.>,SHARE.3.>"} {
		out, _ := subscribe(t, b, topic, func(c *jetstream.SubscriberConfig) {
			c.Durable = names[i]
			c.Formerly = "test"
		})
		for range 5 {
			m := next(t, out)
			n, err := strconv.Atoi(m.UUID)
			if err != nil || n < 10 || n%2 != i {
				t.Errorf("%s got %s", names[i], m.UUID)
			}
			got[m.UUID] = true
			m.Ack()
		}
	}
	if len(got) != 10 {
		t.Errorf("%d messages came, want 10", len(got))
	}
	polltest.Until(t, "nothing waits", func() bool {
		backlog, err := b.Backlog(t.Context(), "SHARE", names...)
		check(t, err)
		return backlog.Pending+backlog.InFlight == 0
	})
}
