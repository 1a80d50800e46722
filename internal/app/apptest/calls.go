package apptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/polltest"
)

// The analyst of a world whose server has an engine of its own.
const (
	analyst  = "analyst"
	password = "analyst-password"
)

// Event is an event as a backend writes it, or a part of one.
type Event = map[string]any

// Created makes a channel with one member.
func Created(channel, member string) Event {
	return Event{"id": "created", "type": "channel.created", "channel": Event{"id": channel, "name": "C"}, "members": []Event{{"id": member}}}
}

// Said is a message in a channel.
func Said(channel, id string) Event {
	return Event{"id": id, "type": "message.created", "channel": Event{"id": channel}, "message": Event{"id": id, "type": "text", "text": "x"}}
}

// Token is a device token as APNs has them.
func Token(n int) string { return fmt.Sprintf("%064x", n) }

// Post posts events that have to be accepted. Where the server asks for it they are
// posted again, as a backend does: the broker of a machine with much other work may
// answer late.
func (w *World) Post(events ...Event) {
	w.T.Helper()
	w.Eventually("the events are accepted", func() bool {
		status, answer := w.Call(http.MethodPost, "/v1/events", events)
		if status != http.StatusAccepted && status != http.StatusServiceUnavailable {
			w.T.Fatalf("post: %d %s", status, answer)
		}
		return status == http.StatusAccepted
	})
}

// Device registers a device of acme's app.
func (w *World) Device(user, provider, token, locale string) {
	w.T.Helper()
	w.DeviceOf("com.acme.chat", user, provider, token, locale)
}

// DeviceOf registers a device.
func (w *World) DeviceOf(app, user, provider, token, locale string) {
	w.T.Helper()
	status, answer := w.Call(http.MethodPost, "/v1/devices", Event{
		"device_id": user + "-" + provider, "user": user, "provider": provider, "token": token, "app": app, "locale": locale,
	})
	if status != http.StatusOK {
		w.T.Fatalf("register: %d %s", status, answer)
	}
}

// Call calls the API and needs an answer, whatever it is.
func (w *World) Call(method, path string, body any) (status int, answer string) {
	w.T.Helper()
	status, answer, err := w.Try(method, path, body)
	if err != nil {
		w.T.Fatal(err)
	}
	return status, answer
}

// Try calls the API of a server that may be gone. The body is sent as JSON, bytes as
// they are.
func (w *World) Try(method, path string, body any, header ...string) (status int, answer string, err error) {
	data, raw := body.([]byte)
	if !raw && body != nil {
		if data, err = json.Marshal(body); err != nil {
			return 0, "", err
		}
	}
	req, err := http.NewRequestWithContext(w.T.Context(), method, "http://"+w.API()+path, bytes.NewReader(data))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+w.Key)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return w.do(req)
}

func (w *World) do(req *http.Request) (status int, answer string, err error) {
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// As calls for another network.
func (w *World) As(key string, calls func()) {
	before := w.Key
	w.Key = key
	calls()
	w.Key = before
}

// clickHouse is where a world's rows are.
type clickHouse struct{ addr, user, password, database string }

func sharedClickHouse(t testing.TB) *clickHouse {
	t.Helper()
	e := clickhousetest.Shared(t)
	u, err := url.Parse(e.DSN())
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	return &clickHouse{addr: u.Host, user: u.User.Username(), password: secret, database: strings.TrimPrefix(u.Path, "/")}
}

func (c *clickHouse) dsn() string {
	u := url.URL{Scheme: "http", User: url.UserPassword(c.user, c.password), Host: c.addr, Path: "/" + c.database}
	return u.String()
}

// ClickHouse is the HTTP address at which [World.Query] asks.
func (w *World) ClickHouse() string { return w.base.addr }

// Query asks ClickHouse as curl would, in the world's database: name the tables alone.
// A failure is an answer too.
func (w *World) Query(sql string) string {
	w.T.Helper()
	target := "http://" + w.base.addr + "/"
	if w.base.database != "" {
		target += "?database=" + w.base.database
	}
	req, err := http.NewRequestWithContext(w.T.Context(), http.MethodPost, target, strings.NewReader(sql))
	if err != nil {
		w.T.Fatal(err)
	}
	req.SetBasicAuth(w.base.user, w.base.password)
	_, answer, err := w.do(req)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(answer)
}

// Answers waits until a query has an answer: the tables of a block are filled one
// after another, some moments after the sends.
func (w *World) Answers(sql, want string) {
	w.T.Helper()
	got := ""
	if !polltest.Wait(w.T, func() bool { got = w.Query(sql); return got == want }) {
		w.T.Errorf("%s\n  is %s, want %s", sql, got, want)
	}
}
