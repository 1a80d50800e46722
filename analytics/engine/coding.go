package engine

import (
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// coding is how an answer is packed.
type coding struct {
	name  string // of HTTP's Content-Encoding, or empty
	level int
	// blocks is ClickHouse's own compression, which no header names.
	blocks bool
	method compress.Method
}

// codings are those of HTTP that we have, the best one first.
var codings = []string{"zstd", "br", "gzip", "deflate"}

const (
	// zstdWindow bounds the memory of a reader of zstd: clients use at most 8 MiB for
	// bodies of the length of a query or an insert.
	zstdWindow = 8 << 20
	// packLevel is ClickHouse's own http_zlib_compression_level.
	packLevel = 3
)

func newCoding(query url.Values, r *http.Request) (coding, error) {
	code := coding{level: packLevel, blocks: truth(query.Get("compress")), method: compress.LZ4}
	if text := query.Get("http_zlib_compression_level"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 9 {
			return code, refuse(codeBadArguments, "BAD_ARGUMENTS", "http_zlib_compression_level is %q: write a number from 1 to 9", text)
		}
		code.level = n
	}
	switch name := strings.ToUpper(query.Get("network_compression_method")); name {
	case "", "LZ4", "LZ4HC":
	case "ZSTD":
		code.method = compress.ZSTD
	case "NONE":
		code.method = compress.None
	default:
		return code, refuse(codeBadArguments, "BAD_ARGUMENTS", "network_compression_method is %q: use LZ4, ZSTD or NONE", name)
	}
	if !code.blocks && truth(query.Get("enable_http_compression")) {
		code.name = accepted(r.Header.Values("Accept-Encoding"))
	}
	return code, nil
}

// accepted picks the best coding that a client takes.
func accepted(headers []string) string {
	best := len(codings)
	for item := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name, weight, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(item, " ", "")), ";q=")
		if q, err := strconv.ParseFloat(weight, 64); err == nil && q == 0 {
			continue
		}
		if i := slices.Index(codings, name); i >= 0 {
			best = min(best, i)
		}
	}
	if best == len(codings) {
		return ""
	}
	return codings[best]
}

// packer packs what is written to it; Close writes the end.
func (c coding) packer(w io.Writer) (io.WriteCloser, error) {
	switch {
	case c.blocks:
		return blockWriter{w, compress.NewWriter(compress.LevelZero, c.method)}, nil
	case c.name == "gzip":
		return gzip.NewWriterLevel(w, c.level)
	case c.name == "deflate":
		return zlib.NewWriterLevel(w, c.level)
	case c.name == "br":
		return brotli.NewWriterLevel(w, c.level), nil
	case c.name == "zstd":
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(c.level)), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	return plainWriter{w}, nil
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

// blockWriter speaks ClickHouse's own compression.
type blockWriter struct {
	w io.Writer
	z *compress.Writer
}

func (b blockWriter) Write(data []byte) (int, error) {
	const block = 1 << 20 // ClickHouse's max_compress_block_size
	for rest := data; len(rest) > 0; {
		n := min(len(rest), block)
		if err := b.z.Compress(rest[:n]); err != nil {
			return 0, fmt.Errorf("compress the answer: %w", err)
		}
		if _, err := b.w.Write(b.z.Data); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(data), nil
}

func (b blockWriter) Close() error { return nil }

// decode undoes the body's compression: HTTP's own, or ClickHouse's checksummed blocks.
func decode(r *http.Request, blocks bool) (io.Reader, io.Closer, error) {
	var body io.Reader = r.Body
	var closer io.Closer
	var err error
	switch name := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); name {
	case "", "identity":
	case "gzip":
		var reader *gzip.Reader
		reader, err = gzip.NewReader(body)
		body = reader
		closer = reader
	case "deflate":
		var decoder io.ReadCloser
		decoder, err = zlib.NewReader(body)
		body = decoder
		closer = decoder
	case "br":
		body = brotli.NewReader(body)
	case "zstd":
		var z *zstd.Decoder
		z, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err == nil {
			rc := z.IOReadCloser()
			body = rc
			closer = rc
		}
	default:
		return nil, nil, refuse(codeNotImplemented, "NOT_IMPLEMENTED", "Unknown compression method %q: use gzip, deflate, br, zstd, or decompress=1", name)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNoBody, err)
	}
	if blocks {
		body = compress.NewReader(body)
	}
	return body, closer, nil
}
