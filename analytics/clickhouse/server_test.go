package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"go.uber.org/goleak"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/polltest"
)

// block is an answer of ClickHouse's HTTP interface in its native format.
func block(t *testing.T, revision uint64, columns [][2]string, values ...any) []byte {
	t.Helper()
	b := proto.NewBlock()
	for _, c := range columns {
		if err := b.AddColumn(c[0], column.Type(c[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Append(values...); err != nil {
		t.Fatal(err)
	}
	var buf chproto.Buffer
	if err := b.Encode(&buf, revision); err != nil {
		t.Fatal(err)
	}
	return buf.Buf
}

// aged is a server of some version: it answers the questions with which clickhouse-go
// begins, and counts the statements that come after them.
func aged(t *testing.T, version string) (dsn string, statements *atomic.Int32) {
	t.Helper()
	const revision = 54460 // in which clickhouse-go reads the first answer, which names that of the others
	answers := map[string][]byte{
		"SELECT displayName(), version(), revision(), timezone()": block(t, revision, [][2]string{
			{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"},
		}, "aged", version, uint32(0), "UTC"),
		"SELECT 1": block(t, 0, [][2]string{{"1", "UInt8"}}, uint8(1)),
	}
	statements = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		answer, ok := answers[r.URL.Query().Get("query")+body.String()]
		if !ok {
			statements.Add(1)
			http.Error(w, "Code: 48. DB::Exception: not in this test. (NOT_IMPLEMENTED)", http.StatusNotImplemented)
			return
		}
		w.Header().Set("X-ClickHouse-Format", "Native")
		if _, err := w.Write(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, statements
}

func TestTooOldServerIsRefused(t *testing.T) {
	for version, refused := range map[string]bool{
		"18.16.1": true, "23.12.6.19": true, "24.3.18.7": true, "24.7.9.1": true,
		"24.8.1.1": false, "24.12.3.47": false, "25.1.1.1": false, "26.7.2.1": false,
	} {
		dsn, statements := aged(t, version)
		s, err := Open(t.Context(), Config{DSN: dsn})
		var old *TooOldError
		switch {
		case refused && !errors.As(err, &old):
			t.Errorf("version %s: %v, want a TooOldError", version, err)
		case refused && (!strings.HasPrefix(version, old.Version) || !strings.Contains(err.Error(), "24.8")):
			t.Errorf("version %s: the error does not name both versions: %v", version, err)
		case refused && statements.Load() != 0:
			t.Errorf("version %s: %d statements were sent to a server that cannot be used", version, statements.Load())
		case !refused && err != nil:
			t.Errorf("version %s: %v", version, err)
		case !refused && statements.Load() == 0:
			t.Errorf("version %s: no table was made", version)
		}
		if s != nil {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// front is an address at which the engine can be had from some time on.
type front struct {
	*httptest.Server
	up atomic.Bool
}

func newFront(t *testing.T, e *clickhousetest.Engine) *front {
	t.Helper()
	target, err := url.Parse(e.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	f := &front{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.up.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func TestUnreachableServer(t *testing.T) {
	e := clickhousetest.Shared(t)
	f := newFront(t, e)
	dsn := strings.Replace(e.DSN(), e.URL()[len("http://"):], f.URL[len("http://"):], 1)
	var log bytes.Buffer
	s, err := Open(t.Context(), Config{DSN: dsn, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatalf("a server that is away is an error: %v", err)
	}
	defer s.Close()
	if !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("nobody is told: %q", log.String())
	}
	u, err := url.Parse(e.DSN())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if strings.Contains(log.String(), password) {
		t.Errorf("the log shows the password: %s", log.String())
	}
	asks := map[string]func() error{
		"Insert": func() error { return s.Insert(t.Context(), "token", rows(0, 1)) },
		"Known":  func() error { _, err := s.Known(t.Context(), rows(0, 1)); return err },
	}
	for name, ask := range asks {
		if err := ask(); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%s without a server: %v; want an error without the password", name, err)
		}
	}
	for name, ask := range asks {
		if err := ask(); strings.Contains(err.Error(), "://") || strings.Count(err.Error(), "connection_closed: EOF") != 1 {
			t.Errorf("%s does not say in one word why there is no answer: %v", name, err)
		}
	}
	f.up.Store(true)
	for name, ask := range asks {
		if err := ask(); err != nil {
			t.Errorf("%s once it is there: %v", name, err)
		}
	}
	checkSchema(t, e, e.Name())
	f.up.Store(false)
	if err := asks["Insert"](); err == nil {
		t.Error("Insert without a server: no error")
	}
	f.up.Store(true)
	if err := asks["Insert"](); err != nil {
		t.Errorf("Insert once it is there again: %v", err)
	}
	same(t, e, counts, "1\t1\t1\t1\t0")
}

// A server that takes connections and never answers does not hold up who has no more
// time: what ends their waiting is their own end, and not a bound of ours.
func TestServerThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	opening, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	go func() {
		for held := []net.Conn{}; ; {
			c, err := l.Accept()
			if err != nil {
				for _, c := range held {
					_ = c.Close()
				}
				return
			}
			held = append(held, c)
			giveUp() // once somebody waits for an answer
		}
	}()
	var log bytes.Buffer
	s, err := Open(opening, Config{DSN: "http://" + l.Addr().String(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.Contains(log.String(), context.Canceled.Error()) {
		t.Errorf("Open went on when nobody wanted it any more: %s", log.String())
	}

	slow, endInsert := context.WithCancel(t.Context())
	inserted := make(chan error, 1)
	go func() { inserted <- s.Insert(slow, "token", rows(0, 1)) }()
	polltest.Until(t, "it is the other's turn", func() bool { return len(s.turn) > 0 })
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Known(short, rows(0, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Known while another waits: %v", err)
	}
	if len(inserted) > 0 {
		t.Errorf("Known waited for the other's end: %v", <-inserted)
	}
	endInsert()
	if err := polltest.Receive(t, "the end of Insert", inserted); !errors.Is(err, context.Canceled) {
		t.Errorf("Insert into a server that hangs: %v, want the caller's end", err)
	}
}

func TestBadAddress(t *testing.T) {
	const secret = "open-sesame"
	for _, dsn := range []string{
		"://user:" + secret + "@host:9000",
		"user:" + secret + "@host:9000/db",
		"mysql://user:" + secret + "@host:9000/db",
		"clickhouse://user:" + secret + "%zz@host:9000/db",
		"clickhouse://user:" + secret + "@host:port/db",
		"clickhouse://user:" + secret + "@/db",
		"clickhouse://user:" + secret + "@host:9000/db?dial_timeout=" + secret,
		"clickhouse://user:" + secret + "@host:9000/db?secure=" + secret,
		"clickhouse://user:" + secret + "@host:9000/not-a-name",
		"clickhouse://user:" + secret + "@host:9000/a;DROP",
		"http://user:" + secret + "@host:8123/1db",
	} {
		s, err := Open(t.Context(), Config{DSN: dsn})
		if err == nil {
			t.Errorf("%s was taken", dsn)
			s.Close()
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows the password: %v", dsn, err)
		}
	}
}

// The database's name comes from the address; default means chatbell.
func TestDatabaseName(t *testing.T) {
	e := clickhousetest.Start(t)
	for path, database := range map[string]string{"": "chatbell", "default": "chatbell", "acme_2": "acme_2", "_x": "_x"} {
		s := openAt(t, e.On(path))
		if s.database != database {
			t.Errorf("path %q: database %q, want %q", path, s.database, database)
		}
		if err := s.Insert(t.Context(), "token", rows(0, 1)); err != nil {
			t.Errorf("path %q: %v", path, err)
		}
		same(t, e, "SELECT count() FROM "+database+".deliveries", "1")
	}
}

// A wrong password is not "away": it is said, without the password.
func TestWrongPassword(t *testing.T) {
	e := clickhousetest.Shared(t)
	var log bytes.Buffer
	s, err := Open(t.Context(), Config{DSN: strings.Replace(e.URL(), "http://", "http://chatbell_writer:open-sesame@", 1), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Insert(t.Context(), "token", rows(0, 1))
	if err == nil || !strings.Contains(err.Error(), "Authentication failed") {
		t.Errorf("Insert: %v", err)
	}
	if err != nil && strings.Contains(err.Error()+log.String(), "open-sesame") {
		t.Errorf("the password is shown: %v %s", err, log.String())
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	e := clickhousetest.Shared(t)
	before := goleak.IgnoreCurrent()
	s, err := Open(t.Context(), Config{DSN: e.DSN()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Insert(t.Context(), "token", rows(0, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Known(t.Context(), rows(0, 5)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
	if err := s.Insert(t.Context(), "token 2", rows(5, 1)); err == nil {
		t.Error("Insert after Close: no error")
	}
}
