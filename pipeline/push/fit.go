package push

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"chatbell"
)

// ellipsis stands where a text was cut.
const ellipsis = "…"

// Fit encodes n with encode so that the result has at most limit bytes, and reports
// whether anything had to go for that. The order is fixed, and each step is taken
// only where the one before was not enough:
//  1. the body is cut, then the title, at a boundary between grapheme clusters, with
//     an ellipsis where the text was;
//  2. Data is left out, and step 1 starts again from the whole texts. A background push
//     is nothing without its data, and keeps it;
//  3. a *chatbell.SendError with the reason payload_too_large.
//
// The encoded form is what is measured, so escapes count. Invalid UTF-8 is replaced
// first. Fit is pure if encode is, and n is not changed. Raw content is not for Fit.
func Fit(n *Content, limit int, encode func(*Content) ([]byte, error)) (b []byte, truncated bool, err error) {
	fit := fitter{limit: limit, encode: encode}
	whole := valid(n)
	if b, err = fit.whole(whole); b != nil || err != nil {
		return b, false, err
	}
	for {
		short := *whole
		for _, text := range []*string{&short.Body, &short.Title} {
			if b, err = fit.cut(&short, text); b != nil || err != nil {
				return b, true, err
			}
		}
		if len(whole.Data) == 0 || whole.Kind == Background {
			return nil, true, &chatbell.SendError{Reason: chatbell.PayloadTooLarge, Err: fmt.Errorf(
				"encode notification: over %d bytes even without what may go; shorten its ids and data", limit)}
		}
		whole.Data = nil
		if b, err = fit.whole(whole); b != nil || err != nil {
			return b, true, err
		}
	}
}

type fitter struct {
	limit  int
	encode func(*Content) ([]byte, error)
}

// whole is the encoded notification if it fits as it is, else nil.
func (f *fitter) whole(n *Content) ([]byte, error) {
	data, err := f.encode(n)
	if err != nil {
		return nil, fmt.Errorf("encode notification: %w", err)
	}
	if len(data) > f.limit {
		return nil, nil
	}
	return data, nil
}

// cut shortens *text, which is one of n's, to the longest beginning with which n
// fits. If there is none, it returns nil and leaves only the ellipsis.
func (f *fitter) cut(n *Content, text *string) ([]byte, error) {
	if *text == "" {
		return nil, nil
	}
	var failed error
	all := *text
	ends := boundaries(all, f.limit)
	tooLong := sort.Search(len(ends), func(i int) bool {
		*text = shorten(all, ends[i])
		data, err := f.whole(n)
		if err != nil {
			failed = err
		}
		return data == nil
	})
	if failed != nil {
		return nil, failed
	}
	*text = shorten(all, ends[max(tooLong-1, 0)])
	if tooLong == 0 {
		return nil, nil
	}
	return f.whole(n)
}

// boundaries lists where s may be cut, from 0. A byte takes at least a byte when it
// is encoded, so nothing beyond limit has to be looked at: a text of half a
// mebibyte costs no more than one of four kibibytes.
func boundaries(s string, limit int) []int {
	ends := []int{0}
	state := -1
	pos := 0
	for rest := s; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		pos += len(cluster)
		if pos > limit {
			break
		}
		ends = append(ends, pos)
	}
	return ends
}

// The marks that isolate a text whose direction differs from its surroundings.
const (
	lri = '\u2066' // left to right
	rli = '\u2067' // right to left
	fsi = '\u2068' // as its first strong letter says
	pdi = '\u2069' // the end of each of them
)

// shorten is the beginning of s up to end, without trailing space, with an
// ellipsis. An isolate that the cut left open is closed, so that the ellipsis stands
// where the text's own direction puts it.
func shorten(s string, end int) string {
	kept := strings.TrimRightFunc(s[:end], unicode.IsSpace)
	open := 0
	for _, char := range kept {
		switch char {
		case lri, rli, fsi:
			open++
		case pdi:
			open = max(open-1, 0)
		}
	}
	return kept + strings.Repeat(string(pdi), open) + ellipsis
}

// valid is a copy of n in which every text is valid UTF-8.
func valid(n *Content) *Content {
	content := *n
	for _, text := range []*string{&content.Title, &content.Body, &content.CollapseID, &content.ThreadID} {
		*text = validString(*text)
	}
	content.Data = nil
	if len(n.Data) > 0 {
		content.Data = make(map[string]string, len(n.Data))
		for key, value := range n.Data {
			content.Data[validString(key)] = validString(value)
		}
	}
	return &content
}

func validString(s string) string { return strings.ToValidUTF8(s, string(utf8.RuneError)) }

// CollapseID is id where a provider can take it as it is: printable ASCII of at most
// limit bytes. Any other id is replaced by a hash of it with 43 characters, which
// collapses the same notifications.
func CollapseID(id string, limit int) string {
	plain := len(id) <= limit
	for i := 0; plain && i < len(id); i++ {
		plain = id[i] > ' ' && id[i] < 0x7f
	}
	if plain {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
