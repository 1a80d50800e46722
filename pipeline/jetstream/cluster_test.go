package jetstream

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"chatbell/internal/polltest"
)

// cluster is three NATS servers which know each other.
func cluster(t *testing.T) (urls []string) {
	t.Helper()
	var routes []*url.URL
	var ways [3]chan string
	for i := range ways { // routes have to be known before the servers listen
		ways[i] = make(chan string, 1)
		routes = append(routes, &url.URL{Scheme: "nats", Host: forward(t, ways[i])})
	}
	dir := t.TempDir()
	var servers []*server.Server
	for i := range ways {
		name := fmt.Sprint("n", i)
		s, err := server.NewServer(&server.Options{
			ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, JetStreamMaxStore: 1 << 40,
			StoreDir: filepath.Join(dir, name), NoSigs: true, NoLog: true, Routes: slices.Delete(slices.Clone(routes), i, i+1),
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoAdvertise: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		polltest.Until(t, "it listens for the others", func() bool { return s.ClusterAddr() != nil })
		ways[i] <- s.ClusterAddr().String()
		servers = append(servers, s)
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	}
	for _, s := range servers {
		if !s.ReadyForConnections(polltest.Patience) {
			t.Fatal("no NATS server")
		}
		urls = append(urls, s.ClientURL())
	}
	polltest.Until(t, "the cluster has a leader and three peers", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == 3
			}
		}
		return false
	})
	return urls
}

// forward listens, and hands each connection to the address that it is told once.
func forward(t *testing.T, to <-chan string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		passing.Wait()
	})
	passing.Go(func() {
		far := ""
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			if far == "" {
				select {
				case far = <-to:
				case <-t.Context().Done():
				}
			}
			passing.Go(func() { pass(near, far) })
		}
	})
	return l.Addr().String()
}

// pass carries what two ends of a connection say.
func pass(near net.Conn, to string) {
	defer near.Close()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(near, far)
		_ = near.Close()
	}()
	_, _ = io.Copy(far, near)
	_ = far.Close()
	<-back
}

// Streams of a cluster have three replicas when nobody says, as many as are configured when
// somebody does, and never fewer than they have.
func TestReplicas(t *testing.T) {
	urls := cluster(t)
	for _, x := range []struct {
		stream           string
		configured, want int
		warns            bool
	}{
		{"NEW", 0, 3, false},
		{"ONE", 1, 1, false},
		{"ONE", 0, 1, false},
		{"NEW", 1, 3, true},
		{"ONE", 3, 3, false},
	} {
		var log strings.Builder
		b, err := Open(t.Context(), Config{
			URLs: urls, Replicas: x.configured, Streams: []Stream{{Name: x.stream, MaxBytes: 1 << 20}}, DeadLetterBytes: 1 << 20,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		found, err := b.js.Stream(t.Context(), x.stream)
		if err != nil {
			t.Fatal(err)
		}
		if got := found.CachedInfo().Config.Replicas; got != x.want || strings.Contains(log.String(), "stream="+x.stream) != x.warns {
			t.Errorf("%s with %d configured has %d, want %d; the log says %s", x.stream, x.configured, got, x.want, &log)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Publishes to one stream that get no answer are in nobody's way.
func TestWindowOfEachStream(t *testing.T) {
	b, err := Open(t.Context(), Config{URLs: []string{external(t)}, Streams: []Stream{{Name: "WORK", MaxBytes: 1 << 20}}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.conn.Subscribe("SLOW.>", func(*nats.Msg) {}); err != nil { // and never answers
		t.Fatal(err)
	}
	slow := make([]*message.Message, asyncPending)
	for i := range slow {
		slow[i] = message.NewMessage("", nil)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = b.Publisher().PublishAcked(t.Context(), func(int) string { return "SLOW.x" }, slow)
	}()
	polltest.Until(t, "the window is full", func() bool {
		window, err := b.window("SLOW")
		return err == nil && window.PublishAsyncPending() == asyncPending
	})
	begun := time.Now()
	if err := b.Publisher().Publish("WORK", message.NewMessage("", nil)); err != nil || time.Since(begun) > publishTimeout/2 {
		t.Errorf("another stream's publish takes %v: %v", time.Since(begun), err)
	}
	<-done
}

// The embedded broker may read its streams for as long as it takes, and the log is told.
func TestLongRecovery(t *testing.T) {
	// In a bubble the clock goes on by itself while all wait.
	told := recoverySlowly(t, 10*time.Minute)
	if n := strings.Count(told, "reads its streams"); n < 50 || n > 60 {
		t.Errorf("in ten minutes it is told %d times:\n%s", n, told)
	}
}

// recoverySlowly is what the log has of a start that takes so long.
func recoverySlowly(t *testing.T, took time.Duration) string {
	t.Helper()
	var log strings.Builder
	dir := t.TempDir()
	synctest.Test(t, func(*testing.T) {
		b := &Broker{cfg: Config{Dir: dir}, log: slog.New(slog.NewTextHandler(&log, nil))}
		b.recover(func() { <-time.After(took) })
	})
	return log.String()
}
