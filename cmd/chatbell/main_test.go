package main

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

// asMain makes this test's binary be chatbell itself.
const asMain = "TEST_CHATBELL_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		if len(os.Args) > 1 && os.Args[1] == "serve" { // whose children have what it gives them
			syscall.Umask(0o022) // as on most machines, whatever this one's
		}
		main()
	}
	os.Exit(m.Run())
}

// command is chatbell with arguments, in a folder of its own.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	library, err := filepath.Abs("../../.cache/engine/libchdb.so")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asMain+"=1", "CHATBELL_CLICKHOUSE_ENGINE="+library)
	return cmd
}

// Exit codes are 0 for done, 1 for failed and 2 for wrong use, and every failure says
// what to do.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("lisen: x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"version", 0, "chatbell "},
		{"--help", 0, "serve"},
		{"serve --help", 0, "SIGTERM and SIGINT drain"},
		{"check-config", 0, "The configuration is good."},
		{"check-config --config DIR/bad.yaml", 1, `did you mean "listen"?`},
		{"check-config --config DIR/nowhere.yaml", 1, "nowhere.yaml"},
		{"serve --config DIR/bad.yaml", 1, "unknown key"},
		{"serve --listen nonsense", 1, "must be host:port"},
		{"--version", 0, "chatbell dev"},
		{"help serve", 0, "SIGTERM and SIGINT drain"},
		{"help completion bash", 0, "completion script for the bash shell"},
		{"surf", 2, `unknown command "surf"`},
		{"surf", 2, `Run "chatbell --help"`},
		{"serv", 2, `did you mean "serve"?`},
		{"doctor --help", 2, `unknown command "doctor"`},
		{"help doctor", 2, `unknown command "doctor"`},
		{"completion fsh", 2, `did you mean "fish"?`},
		{"completion fsh", 2, `Run "chatbell completion --help"`},
		{"serve --surf", 2, "--surf"},
		{"serve --surf", 2, `Run "chatbell serve --help" for its flags and examples.`},
		{"serve --lisen 127.0.0.1:1", 2, `did you mean "--listen"?`},
		{"serve -x", 2, "unknown shorthand flag"},
		{"check-config --cofnig x", 2, `did you mean "--config"?`},
		{"secret --bytes 3", 2, "unknown flag"},
		{"version now", 2, "takes no arguments"},
		{"sandbox --listen", 2, "--listen"},
		{"sandbox --app=", 2, "--app must not be empty"},
	} {
		var out bytes.Buffer
		code := run(t.Context(), strings.Fields(strings.ReplaceAll(c.args, "DIR", dir)), &out, &out)
		if code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("chatbell %s: code %d, want %d and %q:\n%s", c.args, code, c.code, c.says, &out)
		}
	}
	for args, want := range map[string]int{"version": 0, "check-config --config bad.yaml": exitFailed, "surf": exitWrongUse} {
		begin(t, command(t, dir, strings.Fields(args)...)).exit(want)
	}
}

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

// The README's configuration is a good one.
func TestReadmeConfiguration(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(readme), "```yaml\n")
	text, _, closed := strings.Cut(text, "```")
	if !ok || !closed {
		t.Fatal("the README has no configuration")
	}
	dir := t.TempDir()
	files := map[string]string{"chatbell.yaml": text, "AuthKey.p8": apnsKey(t), "fcm.json": serviceAccount(t)}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := command(t, dir, "check-config", "--config", "chatbell.yaml")
	cmd.Env = append(cmd.Env, "ACME_KEY=0123456789abcdef0123456789", "HOOK=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
