package native_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbell"
)

// hostileBodies are sent to every route that takes a body. Those that nest do so deeper than
// encoding/json bears, and the long one is longer than an event may be; no more, since
// there are some thousand requests.
var hostileBodies = []string{
	"", "null", "[]", "{}", "0", `"`, "{", "[", "\x00", "\xff\xfe", `{"a":`, strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 12_000),
	`{"id":1e400}`, `{"id":"\ud800"}`, `{"\u0000":1}`, `{"enabled":{"enabled":{}}}`, `{"time":"9999-12-31T23:59:59-23:59"}`,
	`{"snooze_until":"9999-12-31T23:59:59-23:59"}`, `{"id":"x","id":["y"]}`, `{"user":"alice","provider":"apns","token":{"$gt":""}}`,
	`{"name":"` + strings.Repeat("ä", chatbell.MaxEventSize/2+1) + `"}`, `{"name":"'; DROP TABLE users; --","roles":[null]}`, "<?xml version='1.0'?><!DOCTYPE x>", "\ufeff{}",
	`{"modules":[null],"events":[null]}`, `{"quiet_hours":{}}`, `{"meta":null,"members":null,"message":null,"actor":null,"channel":null}`,
}

// hostileIDs are put into every path; they come percent-encoded or as they are.
var hostileIDs = []string{
	"%00", "%ff", "%zz", "..", "%2e%2e%2f%2e%2e", "a%0d%0ab", strings.Repeat("x", 200), "%E2%80%AE", "*", "'", "%25", ":user", "{user}",
}

// Whatever comes in, the answer is about the request and never our failure; and no
// key, token or text of a request is in the log.
func TestHostileRequests(t *testing.T) {
	r := start(t)
	const secret = "hunter2-must-not-be-logged"
	n := 0
	for path, item := range openAPI(t).Paths {
		for method := range item {
			method = strings.ToUpper(method)
			ids := []string{"x"}
			if strings.Contains(path, "{") {
				ids = append(ids, hostileIDs...)
			}
			for _, id := range ids {
				bodies := hostileBodies
				if id != "x" {
					bodies = hostileBodies[:4]
				}
				for _, body := range bodies {
					for _, media := range []string{"application/json", "application/x-ndjson"} {
						n++
						status := raw(t, r.addr, method, concrete(path, id), media, body, secret)
						if status >= 500 || status < 200 {
							t.Errorf("%s %s with %s %.60q: status %d", method, concrete(path, id), media, body, status)
						}
					}
				}
			}
		}
	}
	if log := r.log.String(); strings.Contains(log, secret) || strings.Contains(log, serverKey) || strings.Contains(log, "panic") {
		t.Errorf("the log says %.2000s", log)
	}
	if n < 2000 {
		t.Errorf("only %d requests were made", n)
	}
	if a := r.do(request{method: "GET", path: "/healthz"}); a.status != 200 {
		t.Errorf("afterwards /healthz is %d", a.status)
	}
}

// raw sends a request that a well-behaved client would not send.
func raw(t *testing.T, addr, method, target, media, body, secret string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { // the server may answer before it has read all
		_, _ = fmt.Fprintf(c, "%s %s?cursor=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nX-Secret: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			method, target, secret, serverKey, secret, media, len(body), body)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s %.40q: %v", method, target, body, err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Half-sent requests get an answer or a closed connection, in bounded time, and
// change nothing.
func TestHalfSentRequests(t *testing.T) {
	r := start(t)
	head := func(more string) string {
		return "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + serverKey + "\r\nContent-Type: application/json\r\n" + more + "\r\n"
	}
	for name, sent := range map[string]string{
		"nothing":             "",
		"half a line":         "POST /v1/eve",
		"half a head":         "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthoriz",
		"half a body":         head("Content-Length: 1000\r\n") + withID("half"),
		"a bad chunk":         head("Transfer-Encoding: chunked\r\n") + "5\r\n{\"id\"\r\nzz\r\n",
		"chunks without end":  head("Transfer-Encoding: chunked\r\n") + "2\r\n{}\r\n",
		"two lengths":         head("Content-Length: 2\r\nContent-Length: 3\r\n") + "{} ",
		"length and chunks":   head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
		"a negative length":   head("Content-Length: -1\r\n") + "{}",
		"a huge head":         head("X: " + strings.Repeat("x", 64<<10) + "\r\n"),
		"no host":             "GET /healthz HTTP/1.1\r\n\r\n",
		"another protocol":    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"an odd method":       "BREW /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
		"a whole URL as path": "GET http://elsewhere/v1/users/x HTTP/1.1\r\nHost: x\r\n\r\n",
		"NUL in a header":     head("X: a\x00b\r\nContent-Length: 2\r\n") + "{}",
		"binary":              "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go func() {
				_, _ = c.Write([]byte(sent))
				_ = c.(*net.TCPConn).CloseWrite()
			}()
			if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // straight from the connection
					t.Error("the connection is held open")
				}
				return // closed without an answer
			}
			defer resp.Body.Close()
			if resp.StatusCode == 200 || resp.StatusCode == 202 || resp.StatusCode >= 500 && resp.StatusCode != http.StatusHTTPVersionNotSupported && resp.StatusCode != http.StatusNotImplemented {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
	if len(r.in.events) != 0 {
		t.Errorf("%d half-sent events were accepted", len(r.in.events))
	}
}

// A body that says that it is too large is refused before it comes.
func TestTooLargeAtOnce(t *testing.T) {
	r := start(t)
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 99000000000\r\n\r\n[", serverKey)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "413") {
		t.Errorf("the answer is %q, %v", line, err)
	}
}
