package clickhouse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// nativeRevision is of a server before parallel replicas, which ch-go cannot read.
const nativeRevision = 54450

// native speaks ClickHouse's native protocol before the engine, which has only HTTP: what
// an external server is asked at clickhouse://.
type native struct {
	t      *testing.T
	engine *url.URL

	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

// listenNative returns the address of such a server; it ends with the test.
func listenNative(t *testing.T, e *clickhousetest.Engine) string {
	t.Helper()
	target, err := url.Parse(e.URL())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &native{t: t, engine: target}
	n.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.mu.Lock()
			n.conns = append(n.conns, c)
			n.mu.Unlock()
			n.wg.Go(func() {
				if err := n.serve(c); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					t.Errorf("the native server: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		n.mu.Lock()
		for _, c := range n.conns {
			_ = c.Close()
		}
		n.mu.Unlock()
		n.wg.Wait()
	})
	return l.Addr().String()
}

// serve answers one connection.
func (n *native) serve(c net.Conn) error {
	r := chproto.NewReader(c)
	var hello chproto.ClientHello
	for {
		code, err := r.UVarInt()
		if err != nil {
			return err
		}
		var b chproto.Buffer
		switch chproto.ClientCode(code) {
		case chproto.ClientCodeHello:
			if err := hello.Decode(r); err != nil {
				return err
			}
			server := chproto.ServerHello{Name: "native", Major: 26, Minor: 7, Revision: nativeRevision, Timezone: "UTC", DisplayName: "native"}
			server.EncodeAware(&b, nativeRevision)
		case chproto.ClientCodePing:
			chproto.ServerCodePong.Encode(&b)
		case chproto.ClientCodeQuery:
			var q chproto.Query
			if err := q.DecodeAware(r, nativeRevision); err != nil {
				return err
			}
			if _, err := n.data(r); err != nil { // the empty block that ends a question
				return err
			}
			if insert := insertOf.FindStringSubmatch(q.Body); insert != nil {
				if err := n.take(c, r, &hello, &q, insert[1], insert[2]); err != nil {
					return err
				}
				chproto.ServerCodeEndOfStream.Encode(&b)
				break
			}
			n.answer(&b, &hello, &q)
		default:
			return fmt.Errorf("code %d is not for this server", code)
		}
		if _, err := c.Write(b.Buf); err != nil {
			return err
		}
	}
}

// data reads a block.
func (n *native) data(r *chproto.Reader) (*proto.Block, error) {
	code, err := r.UVarInt()
	if err != nil {
		return nil, err
	}
	if chproto.ClientCode(code) != chproto.ClientCodeData {
		return nil, fmt.Errorf("code %d came in the place of data", code)
	}
	var head chproto.ClientData
	if err := head.DecodeAware(r, nativeRevision); err != nil {
		return nil, err
	}
	block := proto.NewBlock()
	return block, block.Decode(r, nativeRevision)
}

// insertOf is an insert whose rows follow, and its table.
var insertOf = regexp.MustCompile(`^(?s:INSERT INTO (\w+)\.(\w+) \([^)]*\)) FORMAT Native\s*$`)

// take tells the columns of a table, reads the rows of an insert and gives them to the engine.
func (n *native) take(c net.Conn, r *chproto.Reader, hello *chproto.ClientHello, q *chproto.Query, database, table string) error {
	_, described := n.ask(hello, nil, fmt.Sprintf("SELECT name, type FROM system.columns WHERE database = '%s' AND table = '%s' ORDER BY position FORMAT TSVRaw", database, table), nil)
	lines := strings.Split(strings.TrimSpace(string(described)), "\n")
	var b chproto.Buffer
	chproto.ServerCodeData.Encode(&b)
	b.PutString("") // no table
	chproto.BlockInfo{BucketNum: -1}.Encode(&b)
	b.PutInt(len(lines))
	b.PutInt(0)
	for _, line := range lines {
		name, kind, _ := strings.Cut(line, "\t")
		b.PutString(name)
		b.PutString(kind)
	}
	if _, err := c.Write(b.Buf); err != nil {
		return err
	}
	var rows chproto.Buffer
	for {
		block, err := n.data(r)
		if err != nil {
			return err
		}
		if len(block.Columns) == 0 {
			break
		}
		if err := block.Encode(&rows, 0); err != nil {
			return err
		}
	}
	if status, answer := n.ask(hello, q.Settings, q.Body, rows.Buf); status != http.StatusOK {
		return fmt.Errorf("insert: %d %s", status, answer)
	}
	return nil
}

// ask asks the engine in the database and as the user of the connection.
func (n *native) ask(hello *chproto.ClientHello, settings []chproto.Setting, query string, rows []byte) (status int, body []byte) {
	params := url.Values{"database": {hello.Database}, "default_format": {"Native"}}
	for _, s := range settings {
		params.Set(s.Key, s.Value)
	}
	asked := []byte(query)
	if rows != nil {
		params.Set("query", query)
		asked = rows
	}
	to := *n.engine
	to.RawQuery = params.Encode()
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, to.String(), bytes.NewReader(asked))
	if err != nil {
		n.t.Error(err)
		return 0, nil
	}
	req.SetBasicAuth(hello.User, hello.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Error(err)
		return 0, nil
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		n.t.Error(err)
	}
	return resp.StatusCode, body
}

// answer puts what the engine says into packets.
func (n *native) answer(b *chproto.Buffer, hello *chproto.ClientHello, q *chproto.Query) {
	status, body := n.ask(hello, nil, q.Body, nil)
	if status != http.StatusOK {
		chproto.ServerCodeException.Encode(b)
		refusal := chproto.Exception{Code: chproto.ErrUnknownTable, Name: "DB::Exception", Message: string(body)}
		refusal.EncodeAware(b, nativeRevision)
		return
	}
	for r := chproto.NewReader(bytes.NewReader(body)); ; {
		block := proto.NewBlock()
		if err := block.Decode(r, 0); errors.Is(err, io.EOF) { // the engine's format has no revision
			break
		} else if err != nil {
			n.t.Error(err)
			break
		}
		chproto.ServerCodeData.Encode(b)
		b.PutString("") // no table
		if err := block.Encode(b, nativeRevision); err != nil {
			n.t.Error(err)
		}
	}
	chproto.ServerCodeEndOfStream.Encode(b)
}

// The native protocol does what HTTP does: the schema is made, rows come in once, and what
// is there is found.
func TestNativeProtocol(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	u, err := url.Parse(e.DSN())
	if err != nil {
		t.Fatal(err)
	}
	u.Scheme = "clickhouse"
	u.Host = listenNative(t, e)
	s := openAt(t, u.String())
	checkSchema(t, e, e.Name())
	same(t, e, "SELECT version_id FROM {db}.goose_db_version ORDER BY version_id", applied)
	same(t, e, "SELECT count() FROM system.columns WHERE database = '{db}' AND comment = ''", "0")
	openAt(t, u.String()) // and nothing is to do the next time
	same(t, e, "SELECT count() FROM {db}.goose_db_version", "4")

	if err := s.Insert(t.Context(), "token", rows(0, 2)); err != nil {
		t.Fatal(err)
	}
	if err := s.Repeat(t.Context(), "token", rows(0, 1)); err != nil { // of which a row is known by now
		t.Fatal(err)
	}
	same(t, e, counts, "2\t2\t2\t2\t1")
	e.Query("INSERT INTO {db}.goose_db_version (version_id, is_applied) VALUES (99, 1)")
	var newer *NewerSchemaError
	if _, err := Open(t.Context(), Config{DSN: u.String()}); !errors.As(err, &newer) {
		t.Errorf("Open of a newer schema: %v", err)
	}
}
