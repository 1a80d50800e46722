package listen

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// gaveUp stands for a scanner that lets nothing more pass, and leaves it to net/http to
// say why.
const gaveUp = "no reason"

// follow gives a scanner a stream in pieces, and returns where it saw requests end and
// why it refused what came then.
func follow(stream []byte, piece int) (ends []int, reason string) {
	var s scanner
	at := 0
	for at < len(stream) && s.at != atEnd {
		n, ended, why := s.scan(stream[at:min(len(stream), at+piece)])
		at += n
		if why != "" {
			return ends, why
		}
		if ended {
			ends = append(ends, at)
		}
	}
	if s.at == atEnd {
		return ends, gaveUp
	}
	return ends, ""
}

// honest are requests as clients send them; none is refused.
var honest = []string{
	"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"GET /healthz HTTP/1.1\nHost: x\n\n",
	"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: x\r\ncontent-length:\t5 \r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: Chunked\r\n\r\n00a;name=\"va\\\"lue\"\r\n0123456789\r\n1 \r\nx\r\n000\r\nTrailer: yes\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: x\r\nX-Content-Length: 5\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
}

func TestScannerFollowsHonestRequests(t *testing.T) {
	var stream []byte
	var want []int
	for range 2 {
		for _, request := range honest {
			stream = append(stream, request...)
			want = append(want, len(stream))
		}
	}
	for _, piece := range []int{1, 2, 3, 7, 64, 4096} {
		ends, reason := follow(stream, piece)
		if reason != "" || !slices.Equal(ends, want) {
			t.Errorf("in pieces of %d: ends %v, %q; want %v", piece, ends, reason, want)
		}
	}
}

// dishonest are requests that are refused, and why.
var dishonest = map[string]string{
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n":                               refuseBoth,
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n":                               refuseBoth,
	"POST / HTTP/1.1\r\nHost: x\r\nTRANSFER-ENCODING: chunked\r\ncontent-LENGTH: 0\r\n\r\n":                               refuseBoth,
	"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nContent-Length: 5\n\n":                                         refuseBoth,
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n\r\n":                         refuseBoth,
	"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n":                                          refuseBoth,
	"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n":                                                               refuseOld,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n":                              refuseName,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n":                      refuseFold,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\rTransfer-Encoding: chunked\r\n\r\n":                                 refuseCR,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n":                                        refuseLength,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n":                                                            refuseLength,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\n":                                                          refuseLength,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n":                                                               refuseLength,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n":                                          refuseLength,
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + strings.Repeat(" ", 100) + "5\r\n\r\n":                             refuseLength,
	"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n":        refuseBoth,
	"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n": refuseBoth,
}

func TestScannerRefuses(t *testing.T) {
	for request, want := range dishonest {
		for _, piece := range []int{1, 5, 4096} {
			if _, reason := follow([]byte(request), piece); reason != want {
				t.Errorf("%q in pieces of %d: %q, want %q", request, piece, reason, want)
			}
		}
	}
}

// FuzzScanner: where net/http accepts a request, the scanner saw the same end, or it
// refused the request or everything behind it; with both lengths it always refused.
func FuzzScanner(f *testing.F) {
	for _, request := range honest {
		f.Add([]byte(request+honest[0]), byte(1))
	}
	for request := range dishonest {
		f.Add([]byte(request+"0\r\n\r\n"+honest[3]), byte(9))
	}
	for _, stream := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;\nX\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(stream), byte(255))
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece byte) {
		ends, reason := follow(stream, int(piece)+1)
		whole, again := follow(stream, len(stream)+1)
		if !slices.Equal(ends, whole) || reason != again {
			t.Fatalf("in pieces %v %q, whole %v %q", ends, reason, whole, again)
		}
		from := bytes.NewReader(stream)
		in := bufio.NewReader(from)
		begin := 0
		for i := 0; ; i++ {
			both := bothLengths(stream[begin:])
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if both && i < len(ends) {
				t.Fatalf("request %d has both lengths, and the scanner saw its end at %d", i, ends[i])
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			begin = len(stream) - from.Len() - in.Buffered()
			if i == len(ends) && reason != "" {
				return // refused here
			}
			if i == len(ends) || ends[i] != begin {
				t.Fatalf("request %d ends at %d, the scanner saw %v (%q)", i, begin, ends, reason)
			}
		}
	})
}

// bothLengths reads a header by itself.
func bothLengths(stream []byte) bool {
	in := textproto.NewReader(bufio.NewReader(bytes.NewReader(stream)))
	if _, err := in.ReadLine(); err != nil {
		return false
	}
	header, err := in.ReadMIMEHeader()
	return err == nil && len(header["Content-Length"]) > 0 && len(header["Transfer-Encoding"]) > 0
}

func BenchmarkScanner(b *testing.B) {
	request := []byte("POST /v1/events HTTP/1.1\r\nHost: chatbell.example\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 300\r\n" +
		"Authorization: Bearer cb_0123456789012345678901234567890123456789\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n" + strings.Repeat("x", 300))
	b.SetBytes(int64(len(request)))
	var s scanner
	for b.Loop() {
		if n, ended, reason := s.scan(request); n != len(request) || !ended {
			b.Fatal(n, reason)
		}
	}
}
