package command_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"chatbell/internal/polltest"
)

// server is a chatbell that was started without any configuration but its ports.
type server struct {
	t               *testing.T
	dir             string
	api, clickhouse string
	cmd             *exec.Cmd
	out             string // a folder for what it says, one file for each stream
	exited          chan error
}

// said is what the server has said on a stream.
func (s *server) said(stream string) string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.out, stream))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func (s *server) stream(name string) *os.File {
	s.t.Helper()
	f, err := os.Create(filepath.Join(s.out, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// listenSomewhere is an address that is taken until the test ends.
func listenSomewhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// readyLine is what a server logs once it takes events: where it listens.
var readyLine = regexp.MustCompile(`"msg":"ready","listen":"([^"]+)","clickhouse":"http://([^"]+)"`)

// start starts the server on free ports, and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	stdout, stderr := s.stream("stdout"), s.stream("stderr")
	defer stdout.Close()
	defer stderr.Close()
	s.cmd = command(s.t, s.dir, "serve", "--listen", "127.0.0.1:0")
	s.cmd.Env = append(s.cmd.Env, "CHATBELL_CLICKHOUSE_LISTEN=127.0.0.1:0")
	s.cmd.Stdout, s.cmd.Stderr = stdout, stderr
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.cmd.Wait() }()
	polltest.Until(s.t, "the server is ready", func() bool {
		select {
		case err := <-s.exited:
			s.t.Fatalf("the server ended: %v\n%s", err, s.said("stderr"))
		default:
		}
		ready := readyLine.FindStringSubmatch(s.said("stderr"))
		if ready != nil {
			s.api, s.clickhouse = ready[1], ready[2]
		}
		return ready != nil
	})
}

func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := <-s.exited; err != nil {
		s.t.Fatalf("after SIGTERM: %v\n%s", err, s.said("stderr"))
	}
}

var indented = regexp.MustCompile(`(?m)^ {4}(\S+)$`)

// A start without any configuration makes a key and a password that work, prints them
// once and stores them nowhere; the next start goes on with what the first one left.
func TestSecretsShownOnce(t *testing.T) {
	t.Parallel()
	s := &server{t: t, dir: t.TempDir(), out: t.TempDir()}
	s.start()
	var secrets [][]string
	polltest.Until(t, "both secrets are printed", func() bool { // they come once it is ready
		secrets = indented.FindAllStringSubmatch(s.said("stdout"), -1)
		return len(secrets) == 2
	})
	key, password := secrets[0][1], secrets[1][1]
	if !strings.HasPrefix(key, "cb_") {
		key, password = password, key
	}
	const created = `{"id": "e1", "type": "channel.created", "actor": {"id": "alice"}, "channel": {"id": "general"}, "members": [{"id": "alice"}]}`
	if status := postAs(t, key, "http://"+s.api+"/v1/events", created); status != http.StatusAccepted {
		t.Fatalf("the key that it prints gets status %d", status)
	}
	const sql = "SELECT event_id, user_id, reason FROM chatbell.deliveries"
	recorded := func() bool { return s.query(password, sql) == "e1\talice\tself\n" }
	polltest.Until(t, "the event is recorded, and the password that it prints may ask for it", recorded)
	s.stop()
	s.start()
	if secrets := indented.FindAllString(s.said("stdout"), -1); len(secrets) != 0 {
		t.Errorf("the second start prints secrets:\n%s", s.said("stdout"))
	}
	polltest.Until(t, "the password works after the second start, too", recorded)
	s.stop()
	if log := s.said("stderr"); strings.Contains(log, key) || strings.Contains(log, password) {
		t.Error("a secret is in the log")
	}
	notStored(t, s.dir, key, password)
}

// query asks the embedded ClickHouse. A failure is an answer too: the tables are made
// right after the start.
func (s *server) query(password, sql string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.clickhouse, strings.NewReader(sql))
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("analyst", password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func notStored(t *testing.T, dir string, secrets ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, s := range secrets {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%s holds a secret as it is", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
