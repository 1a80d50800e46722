package demo

import (
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
	"strings"
	"syscall"
	"time"

	"chatbell"
	"chatbell/internal/sandbox"
)

// The demo's two networks, their keys, and the analyst's password: all of it lives in
// a temporary folder on loopback and is gone with it.
const (
	directNetwork  = "acme"
	webhookNetwork = "globex"
	keySuffix      = "-demo-key-0123456789"
	analyst        = "analyst"
	password       = "analyst-demo"
)

// server is the chatbell process under demonstration.
type server struct {
	api, clickhouse string // where it listens, once it is ready
	log             string
	cmd             *exec.Cmd
	exited          chan error
	client          *http.Client
}

// startServer writes a configuration for the sandbox and starts the server with it.
func startServer(ctx context.Context, binary, dir string, creds sandbox.Credentials) (*server, error) {
	srv := &server{
		log:    filepath.Join(dir, "chatbell.log"),
		exited: make(chan error, 1),
		client: &http.Client{Timeout: 15 * time.Second},
	}
	config := filepath.Join(dir, "chatbell.yaml")
	text := fmt.Sprintf("data: %s\nlisten: 127.0.0.1:0\nclickhouse_listen: 127.0.0.1:0\nclickhouse_password: %s\n%s",
		filepath.Join(dir, "data"), password, creds.YAML(
			sandbox.Network{ID: directNetwork, Key: directNetwork + keySuffix},
			sandbox.Network{ID: webhookNetwork, Key: webhookNetwork + keySuffix, Delivery: chatbell.DeliverWebhook}))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	log, err := os.OpenFile(srv.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	defer log.Close()
	// The server is stopped by stop, in order; the context must not kill it.
	srv.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, "serve", "--config", config) //nolint:gosec // our own binary
	srv.cmd.Stdout = log
	srv.cmd.Stderr = log
	// A terminal's interrupt goes to the whole group; the demo decides when to stop.
	srv.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := srv.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s serve: %w", binary, err)
	}
	go func() { srv.exited <- srv.cmd.Wait() }()
	return srv, srv.ready(ctx)
}

// startTimeout bounds the wait for the server; it needs a second or two.
const startTimeout = time.Minute

// ready waits until the server takes events, and reads from its log where it listens.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.findAddresses() {
			return nil
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("the server ended at once: %w\n%s", err, s.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("the server did not become ready within %s\n%s", startTimeout, s.lastLog())
		case <-tick.C:
		}
	}
}

// findAddresses looks for the line of the log that says that the server is ready.
func (s *server) findAddresses() bool {
	data, err := os.ReadFile(s.log)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(data) {
		var said struct{ Msg, Listen, ClickHouse string }
		if json.Unmarshal(line, &said) == nil && said.Msg == "ready" { // a line may be half written yet
			s.api = said.Listen
			s.clickhouse = strings.TrimPrefix(said.ClickHouse, "http://")
			return true
		}
	}
	return false
}

// lastLog is the end of the server's log.
func (s *server) lastLog() string {
	data, err := os.ReadFile(s.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// stop drains the server, or kills it when there is no time for that.
func (s *server) stop(hurry context.Context) error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case err := <-s.exited:
		if err != nil && !endedBy(err, syscall.SIGTERM) { // ended by it: the server had not even begun to listen to signals
			return fmt.Errorf("the server did not stop well: %w\n%s", err, s.lastLog())
		}
	case <-hurry.Done():
		_ = s.cmd.Process.Kill() // it fails only where the process has ended
		<-s.exited
	}
	return nil
}

// endedBy reports whether a process ended because it did not handle a signal.
func endedBy(err error, sig syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == sig
}

// maxAnswer bounds an answer that is read.
const maxAnswer = 1 << 20

func (s *server) do(ctx context.Context, method, url, key string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, data, err
}

// call calls the API and fails on anything but success.
func (s *server) call(ctx context.Context, network, method, path string, body []byte) error {
	status, answer, err := s.do(ctx, method, "http://"+s.api+path, network+keySuffix, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status >= http.StatusMultipleChoices || status == http.StatusMultiStatus {
		return fmt.Errorf("%s %s: status %d: %s", method, path, status, answer)
	}
	return nil
}

// query asks ClickHouse as an analyst does.
func (s *server) query(ctx context.Context, sql string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.clickhouse+"/", strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(analyst, password)
	resp, err := s.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask ClickHouse: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("ask ClickHouse: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask ClickHouse: status %d: %s", resp.StatusCode, data)
	}
	return string(data), nil
}
