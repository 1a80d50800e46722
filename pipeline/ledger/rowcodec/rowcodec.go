// Package rowcodec writes results for the broker and reads them for the recorder.
//
// The form is made for rows that resemble each other: each says only in what it differs
// from the one before. A thousand people told of one message differ in user, device and
// ids; so a row takes a quarter of its JSON, and less than a tenth of the time
// (BenchmarkForms).
//
// A message is a version byte, a flags byte, the numbers of deliveries, attempts and
// events, then those rows. A row is a bit mask of the fields that follow, and these
// fields in the order of the row's struct. A text is its length and bytes, a number and
// a length are unsigned varints, a time is its microseconds since 1970 as a signed
// varint, a truth is its bit alone. A new field goes to the end of its struct;
// another change of the form needs another version.
package rowcodec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatbell"
	"chatbell/internal/row"
)

const (
	version     = 1
	maybeRepeat = 1 // flag
)

// ErrMalformed says that a message is not of this form.
var ErrMalformed = errors.New("malformed result")

// Encode writes results.
func Encode(r *chatbell.Results) []byte {
	// Some 120 bytes a row are usual.
	coding := &coder{buf: make([]byte, 0, 16+128*r.Rows())}
	var flags byte
	if r.MaybeRepeat {
		flags = maybeRepeat
	}
	coding.buf = append(coding.buf, version, flags)
	for _, n := range []int{len(r.Deliveries), len(r.Attempts), len(r.Events)} {
		coding.buf = binary.AppendUvarint(coding.buf, uint64(n))
	}
	encodeRows(coding, r.Deliveries, deliveries)
	encodeRows(coding, r.Attempts, attempts)
	encodeRows(coding, r.Events, events)
	return coding.buf
}

// EncodeRows writes rows of any type as a message has them after its head.
func EncodeRows[R any](rows []R, table *row.Table[R]) []byte {
	coding := &coder{}
	encodeRows(coding, rows, table)
	return coding.buf
}

func encodeRows[R any](coding *coder, rows []R, table *row.Table[R]) {
	before := new(R)
	for i := range rows {
		coding.mask = 0
		coding.bit = 1
		coding.row = coding.row[:0]
		coding.fields(table.Columns(), row.At(&rows[i]), row.At(before))
		coding.buf = append(binary.AppendUvarint(coding.buf, coding.mask), coding.row...)
		before = &rows[i]
	}
}

// Head is what a message says before its rows.
type Head struct {
	MaybeRepeat                  bool
	Deliveries, Attempts, Events int
}

// Rows is how many rows the message has.
func (h Head) Rows() int { return h.Deliveries + h.Attempts + h.Events }

// ReadHead reads a message's head. An error wraps [ErrMalformed].
func ReadHead(payload []byte) (Head, error) {
	head, _, err := readHead(payload)
	return head, err
}

func readHead(payload []byte) (head Head, rest []byte, err error) {
	if len(payload) < 2 || payload[0] != version || payload[1]&^maybeRepeat != 0 {
		return head, nil, fmt.Errorf("%w: it does not begin like one", ErrMalformed)
	}
	head.MaybeRepeat = payload[1] == maybeRepeat
	rest = payload[2:]
	for _, n := range []*int{&head.Deliveries, &head.Attempts, &head.Events} {
		value, size := binary.Uvarint(rest)
		if size <= 0 || value > uint64(len(payload)) { // a row has at least a byte
			return head, nil, fmt.Errorf("%w: how many rows it has cannot be read", ErrMalformed)
		}
		*n = int(value)
		rest = rest[size:]
	}
	return head, rest, nil
}

// Append adds a message's rows to those of out. If it cannot be read, out is as it
// was, and the error wraps [ErrMalformed]. The rows share memory among each other.
func Append(out *chatbell.Results, payload []byte) error {
	head, rest, err := readHead(payload)
	if err != nil {
		return err
	}
	coding := &coder{in: string(rest), decoding: true}
	before := *out
	out.Deliveries = decodeRows(coding, out.Deliveries, head.Deliveries, deliveries)
	out.Attempts = decodeRows(coding, out.Attempts, head.Attempts, attempts)
	out.Events = decodeRows(coding, out.Events, head.Events, events)
	if err := coding.end(); err != nil {
		*out = before
		return err
	}
	return nil
}

// DecodeRows reads n rows of any type that [EncodeRows] wrote, and nothing else. An error
// wraps [ErrMalformed].
func DecodeRows[R any](payload []byte, n int, table *row.Table[R]) ([]R, error) {
	coding := &coder{in: string(payload), decoding: true}
	rows := decodeRows(coding, nil, n, table)
	return rows, coding.end()
}

// end tells what was wrong with what was read, or that something is left of it.
func (c *coder) end() error {
	switch {
	case c.bad:
		return fmt.Errorf("%w: row %d of it cannot be read", ErrMalformed, c.read)
	case c.in != "":
		return fmt.Errorf("%w: %d bytes follow the rows", ErrMalformed, len(c.in))
	}
	return nil
}

// growAtOnce bounds what is made on a message's word alone.
const growAtOnce = 4096

func decodeRows[R any](coding *coder, rows []R, n int, table *row.Table[R]) []R {
	rows = slices.Grow(rows, min(n, growAtOnce))
	one := new(R)
	for ; n > 0 && !coding.bad; n-- {
		coding.read++
		coding.mask = coding.uvarint()
		coding.bit = 1
		coding.fields(table.Columns(), row.At(one), row.At(one))
		if coding.mask >= coding.bit {
			coding.bad = true // it says more than we know
		}
		rows = append(rows, *one)
	}
	return rows
}

// coder is the state of either direction.
type coder struct {
	buf, row  []byte // what is written, and the row being written
	in        string // what is to be read
	decoding  bool
	bad       bool
	read      int
	mask, bit uint64
}

// has tells, when reading, whether the next field follows.
func (c *coder) has() bool {
	has := c.mask&c.bit != 0
	c.bit <<= 1
	return has && !c.bad
}

// differs notes, when writing, whether the next field does.
func (c *coder) differs(differs bool) bool {
	if differs {
		c.mask |= c.bit
	}
	c.bit <<= 1
	return differs
}

func (c *coder) uvarint() uint64 {
	value, size := uvarint(c.in)
	if size <= 0 {
		c.bad = true
		return 0
	}
	c.in = c.in[size:]
	return value
}

// uvarint is binary.Uvarint for strings, which are read without copying each text.
func uvarint(s string) (value uint64, size int) {
	for i := range min(len(s), binary.MaxVarintLen64) {
		b := s[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			return 0, 0
		}
		value |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return value, i + 1
		}
	}
	return 0, 0
}

func (c *coder) text(value, before *string) {
	if !c.decoding {
		if c.differs(*value != *before) {
			c.row = append(binary.AppendUvarint(c.row, uint64(len(*value))), *value...)
		}
		return
	}
	if !c.has() {
		return
	}
	n := c.uvarint()
	if n > uint64(len(c.in)) {
		c.bad = true
		return
	}
	*value = c.in[:n]
	c.in = c.in[n:]
}

func number[N ~uint16 | ~uint32](coding *coder, value, before *N) {
	if !coding.decoding {
		if coding.differs(*value != *before) {
			coding.row = binary.AppendUvarint(coding.row, uint64(*value))
		}
		return
	}
	if !coding.has() {
		return
	}
	n := coding.uvarint()
	if n > uint64(^N(0)) {
		coding.bad = true
		return
	}
	*value = N(n)
}

func (c *coder) moment(value, before *time.Time) {
	if !c.decoding {
		if c.differs(!value.Equal(*before)) {
			c.row = binary.AppendVarint(c.row, value.UnixMicro())
		}
		return
	}
	if !c.has() {
		return
	}
	u := c.uvarint()
	*value = time.UnixMicro(int64(u>>1) ^ -int64(u&1)).UTC() // the zigzag of encoding/binary
}

func (c *coder) truth(v *bool) {
	if !c.decoding {
		c.differs(*v)
		return
	}
	*v = c.has()
}
