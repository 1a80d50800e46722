package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chatbell/internal/sandbox"
)

const (
	network  = "acme"
	bundle   = "com.acme.chat"
	apiKey   = "bench-backend-key-0123456789" //nolint:gosec // of a server that lives for minutes on loopback
	password = "bench-analyst"
	// patience bounds every wait; a run that needs longer is broken, not slow.
	patience = 3 * time.Minute
)

// child is a process that ends when its standard input does.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

// self starts this program in one of its roles and reads the first line that it says.
func self(role string, args ...string) (*child, string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	proc := &child{cmd: exec.Command(exe, append([]string{role}, args...)...)} //nolint:gosec // ourselves
	proc.cmd.Stderr = os.Stderr
	if proc.stdin, err = proc.cmd.StdinPipe(); err != nil {
		return nil, "", err
	}
	out, err := proc.cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := proc.cmd.Start(); err != nil {
		return nil, "", err
	}
	proc.lines = bufio.NewScanner(out)
	if !proc.lines.Scan() {
		return nil, "", errors.Join(fmt.Errorf("the %s said nothing", role), proc.close())
	}
	return proc, proc.lines.Text(), nil
}

func (c *child) close() error {
	return errors.Join(c.stdin.Close(), c.cmd.Wait())
}

// runSandbox is the role of the push services.
func runSandbox(args []string) error {
	srv, err := sandbox.Start(context.Background(), sandbox.Config{Dir: args[0], CountOnly: true})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(srv.Credentials()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, srv.Close())
}

// rig is a sandbox and a server.
type rig struct {
	dir             string
	creds           sandbox.Credentials
	box             *child
	api, clickhouse string
	server          *exec.Cmd
	exited          chan error
	client          *http.Client
}

// newRig starts the sandbox; the server is started by serve, after what it is to know
// has been put into its store.
func newRig() (*rig, error) {
	dir, err := os.MkdirTemp("", "chatbell-bench-")
	if err != nil {
		return nil, err
	}
	setup := &rig{dir: dir, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	var line string
	if setup.box, line, err = self("sandbox", filepath.Join(dir, "sandbox")); err != nil {
		return nil, errors.Join(err, setup.close())
	}
	// The credentials' unexported part (where the sandbox listens) is loopback here.
	if err := json.Unmarshal([]byte(line), &setup.creds); err != nil {
		return nil, errors.Join(err, setup.close())
	}
	return setup, nil
}

func (r *rig) data() string { return filepath.Join(r.dir, "data") }

// serve starts the server. It chooses its own ports and tells them in its log.
func (r *rig) serve(ctx context.Context, opts *options) (err error) {
	file := filepath.Join(r.dir, "chatbell.yaml")
	text := fmt.Sprintf("data: %s\nlisten: 127.0.0.1:0\nclickhouse_listen: 127.0.0.1:0\nclickhouse_password: %s\n%s",
		r.data(), password, r.creds.YAML(sandbox.Network{ID: network, Key: apiKey, App: bundle, NoWebhook: true}))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	r.server = exec.Command(opts.binary, "serve", "--config", file) //nolint:gosec // what is to be measured
	log, err := os.Create(filepath.Join(r.dir, "chatbell.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	r.server.Stderr = log
	if err := r.server.Start(); err != nil {
		return err
	}
	r.exited = make(chan error, 1)
	go func() { r.exited <- r.server.Wait() }()
	return until(ctx, "the server's start", patience, func() (bool, error) {
		said, err := os.ReadFile(log.Name())
		if err != nil {
			return false, err
		}
		select {
		case err := <-r.exited:
			r.exited <- err
			return false, fmt.Errorf("the server ended at once: %w\n%s", err, said)
		default:
		}
		if !r.heard(said) {
			return false, nil
		}
		resp, err := r.client.Get("http://" + r.api + "/readyz")
		if err != nil {
			return false, err
		}
		return resp.StatusCode == http.StatusOK, resp.Body.Close()
	})
}

// heard looks in the server's log for the line that tells where it listens.
func (r *rig) heard(log []byte) bool {
	for line := range bytes.Lines(log) {
		var said struct{ Msg, Listen, ClickHouse string }
		if json.Unmarshal(line, &said) == nil && said.Msg == "ready" {
			r.api = said.Listen
			r.clickhouse = strings.TrimPrefix(said.ClickHouse, "http://")
			return true
		}
	}
	return false
}

func (r *rig) close() error {
	var errs []error
	if r.server != nil && r.server.Process != nil {
		errs = append(errs, r.server.Process.Signal(syscall.SIGTERM), <-r.exited)
	}
	if r.box != nil {
		errs = append(errs, r.box.close())
	}
	return errors.Join(append(errs, os.RemoveAll(r.dir))...)
}

// post sends a body to a URL and wants success.
func (r *rig) post(url string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode >= 300 || resp.StatusCode == http.StatusMultiStatus) {
		err = fmt.Errorf("%s: status %d: %.300s", url, resp.StatusCode, answer)
	}
	return err
}

func (r *rig) events() string { return "http://" + r.api + "/v1/events" }

// count asks ClickHouse as an analyst does.
func (r *rig) count(sql string) (int, error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+r.clickhouse+"/", strings.NewReader(sql))
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth("analyst", password)
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

// recorded waits until a query counts to n.
func (r *rig) recorded(ctx context.Context, sql string, n int) error {
	return until(ctx, fmt.Sprintf("%d rows", n), patience, func() (bool, error) {
		got, err := r.count(sql)
		return got >= n, err
	})
}

// accepted are how many pushes the sandbox took, and when the last of them came.
func (r *rig) accepted() (int, time.Time, error) {
	resp, err := r.client.Get(r.creds.URL + "/stats")
	if err != nil {
		return 0, time.Time{}, err
	}
	defer resp.Body.Close()
	var stats sandbox.Stats
	err = json.NewDecoder(resp.Body).Decode(&stats)
	return int(stats.APNs.Accepted), stats.APNs.LastAt, err
}

// acceptedBy waits until n more than before were accepted, and tells when the last was.
func (r *rig) acceptedBy(ctx context.Context, before, n int) (when time.Time, err error) {
	err = until(ctx, fmt.Sprintf("%d pushes", n), patience, func() (bool, error) {
		got, last, err := r.accepted()
		when = last
		return got >= before+n, err
	})
	return when, err
}

// latency makes the push services answer later.
func (r *rig) latency(length time.Duration) error {
	req, err := http.NewRequest(http.MethodDelete, r.creds.URL+"/failures", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil || length == 0 {
		return err
	}
	return r.post(r.creds.URL+"/failures", fmt.Appendf(nil, `{"provider":"apns","latency":%q}`, length))
}
