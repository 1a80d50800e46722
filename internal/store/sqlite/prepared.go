package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// preparer is a *sql.DB or a *sql.Conn.
type preparer interface {
	querier
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// prepared keeps the statement of each query: SQLite needs longer to understand the
// queries of matching than to answer them. Query texts are constants, so that there
// are few. Safe for concurrent use if what it is on is.
type prepared struct {
	on preparer

	mu         sync.Mutex
	statements map[string]*sql.Stmt
}

var _ querier = (*prepared)(nil)

func newPrepared(on preparer) *prepared {
	return &prepared{on: on, statements: map[string]*sql.Stmt{}}
}

func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	st, ok := p.statements[query]
	p.mu.Unlock()
	if ok {
		return st, nil
	}
	st, err := p.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, asUnavailable(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.statements[query]; ok {
		return first, st.Close()
	}
	p.statements[query] = st
	return st, nil
}

// ExecContext runs a statement that returns no rows.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	res, err := st.ExecContext(ctx, args...)
	return res, asUnavailable(err)
}

// QueryContext runs a query for a page of rows. A caller that has given up is told so,
// and one that gives up later gets its page: for each query whose context can end, the
// driver and database/sql start a goroutine each, which takes longer than most pages.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(context.WithoutCancel(ctx), args...)
	return rows, asUnavailable(err)
}

// QueryRowContext runs a query for one row, as QueryContext does.
func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := p.statement(ctx, query)
	if err != nil || ctx.Err() != nil {
		return p.on.QueryRowContext(ctx, query, args...) // a row that says what is wrong
	}
	return st.QueryRowContext(context.WithoutCancel(ctx), args...)
}

// close forgets the statements; what they were made on is closed by its owner.
func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, st := range p.statements {
		errs = append(errs, st.Close())
	}
	p.statements = map[string]*sql.Stmt{}
	return errors.Join(errs...)
}
