package native

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"

	"chatbell"
	"chatbell/handlers/web"
)

// The bounds of a bulk list: a million members of 128 bytes, and room for long names.
const (
	maxBulk        = 512 << 20
	maxBulkLine    = 64 << 10
	maxBulkMembers = 1_000_000
)

// bulkTimeout replaces the server's bound for reading a request: a list may have a
// million lines.
const bulkTimeout = 10 * time.Minute

// The bounds of bulk lists at once. A list takes its bytes of disk while it comes in, and
// it may take ten minutes for that: two let a customer work on while one is slow, and
// sixteen of all customers are 8 GiB.
const (
	maxBulkOfNetwork = 2
	maxBulkOfAll     = 16
	bulkRetry        = 10 // seconds
)

// bulkGate counts the bulk lists that are coming in. The zero value has none.
type bulkGate struct {
	mu  sync.Mutex
	all int
	of  map[chatbell.NetworkID]int
}

// enter takes a place, or says why there is none.
func (g *bulkGate) enter(network chatbell.NetworkID) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.of[network] >= maxBulkOfNetwork:
		return web.RetryLater(http.StatusTooManyRequests, bulkRetry, fmt.Sprintf("%d lists of this network are coming in; send this one when one of them has ended", maxBulkOfNetwork))
	case g.all >= maxBulkOfAll:
		return web.RetryLater(http.StatusServiceUnavailable, bulkRetry, "too many lists are coming in; nothing was changed, send this one again later")
	}
	if g.of == nil {
		g.of = map[chatbell.NetworkID]int{}
	}
	g.of[network]++
	g.all++
	return nil
}

// leave gives the place back.
func (g *bulkGate) leave(network chatbell.NetworkID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.of[network]--; g.of[network] == 0 {
		delete(g.of, network)
	}
}

// readMembers reads members line by line, and no more than a limit of them.
func readMembers(r io.Reader, limit int) iter.Seq2[chatbell.Member, error] {
	return func(yield func(chatbell.Member, error) bool) {
		scan := bufio.NewScanner(r)
		scan.Buffer(make([]byte, 0, 4096), maxBulkLine)
		members := 0
		for line := 1; scan.Scan(); line++ {
			text := bytes.TrimSpace(scan.Bytes())
			if len(text) == 0 {
				continue
			}
			if members++; members > limit {
				yield(chatbell.Member{}, web.NewProblem(http.StatusRequestEntityTooLarge, "a list may have at most %d members; nothing was changed", limit))
				return
			}
			one, err := readMember(text, line)
			if !yield(one, err) || err != nil {
				return
			}
		}
		if err := scan.Err(); err != nil {
			yield(chatbell.Member{}, bulkError(err))
		}
	}
}

func readMember(text []byte, line int) (chatbell.Member, error) {
	var entry member
	if err := web.DecodeObject(text, &entry); err != nil {
		return chatbell.Member{}, atLine(err, line)
	}
	check := &web.Checker{}
	entry.check(check, fmt.Sprintf("/%d", line-1))
	return entry.member(), check.Result()
}

// atLine makes a problem's pointers relative to the list.
func atLine(err error, line int) error {
	var problem *web.Problem
	if errors.As(err, &problem) {
		for i := range problem.Errors {
			problem.Errors[i].Pointer = fmt.Sprintf("/%d%s", line-1, problem.Errors[i].Pointer)
		}
	}
	return err
}

func bulkError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return web.NewProblem(http.StatusRequestEntityTooLarge, "the list may have at most %d bytes", maxBulk)
	case errors.Is(err, bufio.ErrTooLong):
		return web.NewProblem(http.StatusRequestEntityTooLarge, "a line may have at most %d bytes", maxBulkLine)
	}
	return web.NewProblem(http.StatusBadRequest, "the list could not be read to its end; nothing was changed")
}
