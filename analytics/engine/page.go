package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// page is ClickHouse's own page for asking in a browser. The library carries its text
// without a way to ask for it, so it is looked for in the file: between two marks that a
// browser needs as well, around its title.
type page struct {
	library string // the file's path

	once sync.Once
	text []byte
	err  error
}

var (
	pageTitle = []byte("<title>ClickHouse Query</title>")
	pageStart = []byte("<!DOCTYPE html>")
	pageEnd   = []byte("</html>")
)

const (
	// maxPageHead is how far before its title a page may begin. It is less than 1 KiB.
	maxPageHead = 16 << 10
	// maxPage is the most that a page may have. It is 650 KiB in version 26.7.
	maxPage = 4 << 20
)

var errNoPage = errors.New("this version of the engine has no page to ask with")

// ServeHTTP sends the page, or says that there is none. It is read when somebody asks for
// it first, and kept.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.once.Do(func() { p.text, p.err = findPage(p.library) })
	if p.err != nil {
		http.Error(w, "There is no page here: "+p.err.Error()+". Send queries to / with a tool of your own.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.text))
}

// findPage reads the page out of a library's file. It takes nothing that is not whole: the
// text begins and ends as a page does, and is text.
func findPage(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the engine's library: %w", err)
	}
	defer file.Close()
	title, err := seek(file, pageTitle)
	if err != nil {
		return nil, err
	}
	begin := max(0, title-maxPageHead)
	text, err := io.ReadAll(io.NewSectionReader(file, begin, maxPage))
	if err != nil {
		return nil, fmt.Errorf("read the engine's library: %w", err)
	}
	start := bytes.LastIndex(text[:title-begin], pageStart)
	if start < 0 {
		return nil, errNoPage
	}
	text = text[start:]
	end := bytes.Index(text, pageEnd)
	if end < 0 || bytes.IndexByte(text[:end], 0) >= 0 {
		return nil, errNoPage
	}
	return bytes.Clone(append(text[:end+len(pageEnd)], '\n')), nil
}

// seek finds where in a file a mark begins, a piece at a time.
func seek(file io.ReaderAt, mark []byte) (int64, error) {
	piece := make([]byte, 1<<20)
	for at := int64(0); ; at += int64(len(piece) - len(mark)) {
		n, err := file.ReadAt(piece, at)
		if i := bytes.Index(piece[:n], mark); i >= 0 {
			return at + int64(i), nil
		}
		if errors.Is(err, io.EOF) {
			return 0, errNoPage
		}
		if err != nil {
			return 0, fmt.Errorf("read the engine's library: %w", err)
		}
	}
}
