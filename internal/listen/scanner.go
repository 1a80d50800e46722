package listen

import (
	"bytes"
	"strconv"
)

// part is where in a request a scanner is.
type part uint8

const (
	inRequestLine part = iota
	inHeader
	inBody
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
	atEnd // nothing more is looked at
)

// maxKept bounds what a scanner keeps of a line: enough for a Content-Length of 19
// digits, and for the size of a chunk.
const maxKept = 64

// scanner follows where the requests on an HTTP/1 connection begin and end, without
// looking into them (RFC 9112 §6, §7.1). It reads more strictly than net/http: what it
// understands net/http understands in the same way, and at what it does not understand
// the connection ends. The zero value is before the first request.
type scanner struct {
	at   part
	left uint64 // bytes of the body or the chunk that are still to come

	// The line that is being read.
	kept [maxKept]byte
	size int    // without its end; more than is kept, where it is long
	tail uint64 // its last eight bytes
	cr   bool   // the last byte was a CR

	// What the header has said.
	version   version
	length    uint64
	hasLength bool
	codings   int // header fields named Transfer-Encoding
	chunked   bool
}

type version uint8

const (
	other version = iota // net/http decides
	http10
	http11
)

// The reasons for which a request is refused.
const (
	refuseBoth   = "a request has either Content-Length or Transfer-Encoding: two programs could see its end in two places"
	refuseOld    = "Transfer-Encoding is not part of HTTP/1.0: two programs could see the end of this request in two places"
	refuseLength = "Content-Length must be one decimal number"
	refuseFold   = "a header line must not begin with a space"
	refuseCR     = "a CR without LF is not the end of a header line"
	refuseName   = "there must be no space between a header's name and its colon"
)

// scan follows the bytes up to the end of the request that they belong to, and returns
// how many they are, and whether it ended. A reason means that the request is to be
// refused; it comes before the header has ended.
func (s *scanner) scan(p []byte) (n int, ended bool, reason string) {
	for n < len(p) && s.at != atEnd && !ended && reason == "" {
		var took int
		took, ended, reason = s.step(p[n:])
		n += took
	}
	if ended {
		*s = scanner{}
	}
	if reason != "" {
		s.at = atEnd
	}
	return n, ended, reason
}

// step takes the rest of a line, or of a body's bytes.
func (s *scanner) step(data []byte) (n int, ended bool, reason string) {
	if s.at == inBody || s.at == inChunk {
		took := min(s.left, uint64(len(data)))
		s.left -= took
		ended = s.left == 0 && s.at == inBody
		if s.left == 0 {
			s.at = inChunkEnd
		}
		return int(took), ended, ""
	}
	n, whole, bare := s.read(data)
	switch {
	case bare && s.at <= inHeader:
		return n, false, refuseCR
	case bare:
		s.at = atEnd // net/http refuses it as well, or misses the rest
		return n, false, ""
	case !whole:
		return n, false, ""
	}
	ended, reason = s.line()
	s.size = 0
	s.tail = 0
	s.cr = false
	return n, ended, reason
}

// read takes the rest of a line; it is bare when a CR does not end it.
func (s *scanner) read(data []byte) (n int, whole, bare bool) {
	n = len(data)
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		data = data[:end]
		n = end + 1
		whole = true
	}
	if len(data) == 0 {
		return n, whole, false
	}
	turn := bytes.IndexByte(data, '\r')
	if s.cr || turn >= 0 && turn < len(data)-1 {
		return n, whole, true
	}
	if turn >= 0 {
		s.cr = true
		data = data[:turn]
	}
	if s.size < maxKept {
		copy(s.kept[s.size:], data)
	}
	s.size += len(data)
	for _, b := range data[max(0, len(data)-8):] {
		s.tail = s.tail<<8 | uint64(b)
	}
	return n, whole, false
}

// line reads a whole line.
func (s *scanner) line() (ended bool, reason string) {
	switch s.at {
	case inRequestLine:
		s.requestLine()
	case inHeader:
		if s.size == 0 {
			return s.header()
		}
		return false, s.field()
	case inChunkSize:
		s.chunkSize()
	case inChunkEnd:
		s.at = inChunkSize
		if s.size != 0 || !s.cr {
			s.at = atEnd
		}
	default: // inTrailer: the other parts have no lines
		if folded := s.size > 0 && (s.kept[0] == ' ' || s.kept[0] == '\t'); !s.cr || folded {
			s.at = atEnd
		}
		return s.size == 0 && s.cr, ""
	}
	return false, ""
}

func (s *scanner) requestLine() {
	if s.size == 0 {
		return // net/http lets some empty lines pass, and refuses the others
	}
	s.at = inHeader
	switch s.tail {
	case eight("HTTP/1.1"):
		s.version = http11
	case eight("HTTP/1.0"):
		s.version = http10
	}
}

// eight is a text of eight bytes as tail has it.
func eight(text string) (tail uint64) {
	for i := range len(text) {
		tail = tail<<8 | uint64(text[i])
	}
	return tail
}

// field reads one line of the header.
func (s *scanner) field() (reason string) {
	kept := s.kept[:min(s.size, maxKept)]
	if kept[0] == ' ' || kept[0] == '\t' {
		return refuseFold
	}
	name, value, _ := bytes.Cut(kept, []byte(":"))
	plain := bytes.TrimRight(name, " \t")
	value = bytes.Trim(value, " \t")
	length := is(plain, "content-length")
	coding := is(plain, "transfer-encoding")
	switch {
	case !length && !coding:
		return ""
	case len(plain) != len(name):
		return refuseName
	case length:
		return s.contentLength(value)
	}
	s.codings++
	s.chunked = is(value, "chunked") && s.size <= maxKept
	return ""
}

func is(name []byte, lower string) bool {
	return len(name) == len(lower) && bytes.EqualFold(name, []byte(lower))
}

func (s *scanner) contentLength(value []byte) (reason string) {
	n, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil || s.size > maxKept || s.hasLength && n != s.length {
		return refuseLength
	}
	s.length = n
	s.hasLength = true
	return ""
}

// header decides, at the end of the header, where the request ends.
func (s *scanner) header() (ended bool, reason string) {
	switch {
	case s.codings > 0 && s.hasLength:
		return false, refuseBoth
	case s.codings > 0 && s.version == http10:
		return false, refuseOld
	case s.version == other, s.codings > 1, s.codings == 1 && !s.chunked:
		s.at = atEnd // net/http answers, and closes the connection
	case s.chunked:
		s.at = inChunkSize
	case s.length > 0:
		s.at = inBody
		s.left = s.length
	default:
		return true, ""
	}
	return false, ""
}

// chunkSize reads the line before a chunk.
func (s *scanner) chunkSize() {
	kept := s.kept[:min(s.size, maxKept)]
	digits, _, extended := bytes.Cut(kept, []byte(";"))
	digits = bytes.TrimRight(digits, " \t")
	n, err := strconv.ParseUint(string(digits), 16, 64)
	switch {
	case err != nil, !s.cr, s.size > maxKept && !extended, len(digits) > 16:
		s.at = atEnd // net/http refuses it as well, or misses the rest
	case n == 0:
		s.at = inTrailer
	default:
		s.at = inChunk
		s.left = n
	}
}
