package engine

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

// insertPiece is how much of the data is handed over at a time: few calls, little memory.
const insertPiece = 1 << 20

// insert feeds data to an INSERT without FORMAT clause, piece by piece. Data that ends
// with an error inserts nothing of the block that it broke off in.
func (c *conn) insert(text, format string, data io.Reader) (stats, error) {
	query := []byte(text)
	form := []byte(format)
	returned := c.work.call()
	size := c.lib.insert(*c.handle, first(query), uintptr(len(query)), first(form), uintptr(len(form)))
	runtime.KeepAlive(query)
	runtime.KeepAlive(form)
	returned()
	defer c.lib.insertDestroy(size)
	if err := resultError(c.lib.insertError(size)); err != nil {
		return stats{}, err
	}
	buf := make([]byte, insertPiece)
	for {
		n, err := fill(data, buf)
		if n > 0 && !c.append(size, buf[:n]) {
			break // insertDone says why
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.lib.insertCancel(size)
			return stats{}, fmt.Errorf("%w: %w", errNoBody, err)
		}
	}
	var written stats
	returned = c.work.call()
	done := c.lib.insertDone(size)
	returned()
	_, err := c.take(done, func(_ []byte, st stats) error {
		written = st
		return nil
	})
	return written, err
}

// append hands over a piece of the data.
func (c *conn) append(stream uintptr, piece []byte) bool {
	defer c.work.call()()
	return c.lib.insertAppend(stream, &piece[0], uintptr(len(piece))) == 0
}

// fill reads until buf is full. Other than io.ReadFull it leaves a reader's error as it
// is, so that a body that was cut short is not taken for one that ended.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}
