package main

import (
	"bytes"
	"errors"
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
	"time"

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
		{"check-config --config bad.yaml", 1, `did you mean "listen"?`},
		{"check-config --config nowhere.yaml", 1, "nowhere.yaml"},
		{"serve --config bad.yaml", 1, "unknown key"},
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
	} {
		var out bytes.Buffer
		cmd := command(t, dir, strings.Fields(c.args)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		var exit *exec.ExitError
		code := 0
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("chatbell %s: code %d, want %d and %q:\n%s", c.args, code, c.code, c.says, &out)
		}
		if strings.Contains(out.String(), "goroutine ") {
			t.Errorf("chatbell %s panics", c.args)
		}
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

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *server) start() {
	s.t.Helper()
	stdout, stderr := s.stream("stdout"), s.stream("stderr")
	defer stdout.Close()
	defer stderr.Close()
	s.cmd = command(s.t, s.dir, "serve", "--listen", s.api)
	s.cmd.Env = append(s.cmd.Env, "CHATBELL_CLICKHOUSE_LISTEN="+s.clickhouse)
	s.cmd.Stdout, s.cmd.Stderr = stdout, stderr
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.cmd.Wait() }()
	deadline := time.Now().Add(time.Minute)
	for {
		resp, err := http.Get("http://" + s.api + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-s.exited:
			s.t.Fatalf("the server ended: %v\n%s", err, s.said("stderr"))
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the server did not become ready")
		}
	}
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

// The README's example, as it is written there: a start without configuration, two
// calls, a query, and their answers. The key and the password are printed once and
// stored nowhere.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: t.TempDir(), out: t.TempDir(), api: freeAddr(t), clickhouse: freeAddr(t)}
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
	expand := strings.NewReplacer("$KEY", key, "$PASSWORD", password, "127.0.0.1:8080", s.api, "127.0.0.1:8123", s.clickhouse)
	calls := readmeCalls(t, string(readme))
	for i, c := range calls {
		deadline := time.Now().Add(30 * time.Second)
		for {
			got := c.do(t, expand)
			if c.want == "" || strings.TrimSpace(got) == c.want {
				break
			}
			if time.Now().After(deadline) || !c.query { // rows arrive within seconds
				t.Fatalf("call %d answers\n%s\nthe README says\n%s", i+1, got, c.want)
			}
		}
	}
	s.stop()
	s.start()
	if secrets := indented.FindAllString(s.said("stdout"), -1); len(secrets) != 0 {
		t.Errorf("the second start prints secrets:\n%s", s.said("stdout"))
	}
	if got := calls[len(calls)-1].do(t, expand); strings.TrimSpace(got) != calls[len(calls)-1].want {
		t.Errorf("after the second start the query answers %s", got)
	}
	s.stop()
	if log := s.said("stderr"); strings.Contains(log, key) || strings.Contains(log, password) {
		t.Error("a secret is in the log")
	}
	notStored(t, s.dir, key, password)
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

// call is a curl command of the README, and the answer that follows it.
type call struct {
	bearer, basic, url, body string
	query                    bool
	want                     string
}

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```(?:\n\n```\n(.*?)\n```)?")
	curl       = regexp.MustCompile(`(?s)curl (?:--retry \d+ )?(?:-H "Authorization: Bearer ([^"]*)"|-u "([^"]*)") (\S+) (--json|--data-binary) '(.*?)'`)
)

func readmeCalls(t *testing.T, readme string) (out []call) {
	t.Helper()
	// What stands between a command and its answer is for people.
	readme = regexp.MustCompile("(?s)```\n\n[^`]*?```\n").ReplaceAllString(readme, "```\n\n```\n")
	for _, block := range shellBlock.FindAllStringSubmatch(readme, -1) {
		commands := curl.FindAllStringSubmatch(block[1], -1)
		for i, m := range commands {
			c := call{bearer: m[1], basic: m[2], url: m[3], query: m[4] == "--data-binary", body: m[5]}
			if i == len(commands)-1 {
				c.want = strings.TrimSpace(block[2])
			}
			out = append(out, c)
		}
	}
	if len(out) != 3 || out[1].want == "" || out[2].want == "" {
		t.Fatalf("the README's example has changed its form: %+v", out)
	}
	return out
}

func (c *call) do(t *testing.T, expand *strings.Replacer) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, expand.Replace(c.url), strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+expand.Replace(c.bearer))
		req.Header.Set("Content-Type", "application/json")
	} else {
		user, password, _ := strings.Cut(expand.Replace(c.basic), ":")
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if c.query && err == nil && resp.StatusCode >= 300 {
		return string(data) // the tables are made right after the start; "within 5 seconds" is asked again
	}
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s: %d %s %v", c.url, resp.StatusCode, data, err)
	}
	return string(data)
}

// The README's configuration is a good one.
func TestReadmeConfiguration(t *testing.T) {
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
