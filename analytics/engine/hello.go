package engine

import (
	"fmt"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

const (
	displayName = "chatbell"
	// helloQuery is what clickhouse-go asks first.
	helloQuery = "SELECT displayName(), version(), revision(), timezone()"
	// helloRevision is the protocol revision in which clickhouse-go reads the hello.
	helloRevision = 54460
)

// hello answers clickhouse-go's first question. It decodes this answer at the revision
// that it asks with, and everything after it at the revision that the answer names. The
// engine writes FORMAT Native as of revision 0, so that this is what we name.
func (a *answer) hello(version string) error {
	b := proto.NewBlock()
	for _, c := range [...][2]string{{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"}} {
		if err := b.AddColumn(c[0], column.Type(c[1])); err != nil {
			return fmt.Errorf("answer the hello: %w", err)
		}
	}
	if err := b.Append(displayName, version, uint32(0), "UTC"); err != nil {
		return fmt.Errorf("answer the hello: %w", err)
	}
	var buf chproto.Buffer
	if err := b.Encode(&buf, helloRevision); err != nil {
		return fmt.Errorf("answer the hello: %w", err)
	}
	a.setFormat("Native")
	return a.write(buf.Buf, stats{resultRows: 1})
}
