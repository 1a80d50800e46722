package listen

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// strictServer answers each request with its path and body, and counts them.
func strictServer(t *testing.T) (addr string, served *atomic.Int64) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served = new(atomic.Int64)
	limiter := New(Config{})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})}
	limiter.Attach(srv)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(Strict(limiter.Listen(inner))) }()
	t.Cleanup(func() {
		if err := errors.Join(srv.Close(), limiter.Close()); err != nil {
			t.Error(err)
		}
		<-done
	})
	return inner.Addr().String(), served
}

// exchange sends a stream in pieces and returns the answers, until the server closes
// the connection or so many have come.
func exchange(t *testing.T, addr, stream string, piece, want int) (answers []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for at := 0; at < len(stream); at += piece {
			if _, err := io.WriteString(c, stream[at:min(len(stream), at+piece)]); err != nil {
				return // refused before its end
			}
		}
	}()
	defer func() { c.Close(); <-sent }()
	in := bufio.NewReader(c)
	for len(answers) < want {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return append(answers, "closed")
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return append(answers, "broken")
		}
		answers = append(answers, fmt.Sprint(resp.StatusCode, " ", string(body)))
	}
	return answers
}

// What hides behind a request with two lengths never reaches the server, and the caller
// is told why, also when honest requests came before on the same connection.
func TestSmugglingIsRefused(t *testing.T) {
	const hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"length first":  "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunked first": "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
		"HTTP/1.0":      "POST /a HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
	} {
		for _, before := range []int{0, 1, 3} {
			for _, piece := range []int{1, 11, 4096} {
				addr, served := strictServer(t)
				answers := exchange(t, addr, strings.Repeat("POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", before)+request, piece, 99)
				if len(answers) != before+2 || answers[before+1] != "closed" || !strings.HasPrefix(answers[before], "400 {") || !strings.Contains(answers[before], "Transfer-Encoding") {
					t.Errorf("%s after %d, in pieces of %d: %q", name, before, piece, answers)
				}
				if n := served.Load(); n != int64(before) {
					t.Errorf("%s after %d, in pieces of %d: %d requests were served", name, before, piece, n)
				}
			}
		}
	}
}

// Honest requests behind one another are answered one by one, whatever pieces they come in.
func TestPipelining(t *testing.T) {
	addr, _ := strictServer(t)
	large := strings.Repeat("0123456789", 50_000)
	stream := "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" +
		"POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n" +
		fmt.Sprintf("POST /4 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(large), large) + "GET /5 HTTP/1.1\r\nHost: x\r\n\r\n"
	want := []string{"200 /1 ", "200 /2 hello", "200 /3 hello world", "200 /4 " + large, "200 /5 "}
	for _, piece := range []int{7, 100, 4096, 1 << 20} {
		if got := exchange(t, addr, stream, piece, 5); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("in pieces of %d: %.300q", piece, got)
		}
	}
}

// A body that ends in the middle is the handler's to answer; nothing is read behind it.
func TestBrokenChunks(t *testing.T) {
	addr, served := strictServer(t)
	for _, body := range []string{"x\r\n", "5\r\nhelloX\r\n", "1\nx\r\n0\r\n\r\n", "5 5\r\nhello\r\n0\r\n\r\n"} {
		served.Store(0)
		got := exchange(t, addr, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+body+"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n", 4096, 99)
		if len(got) == 0 || strings.Contains(strings.Join(got, ""), "hidden") || served.Load() != 1 {
			t.Errorf("%q: %q, %d served", body, got, served.Load())
		}
	}
}
