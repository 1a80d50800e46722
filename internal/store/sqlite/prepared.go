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
	stmt, ok := p.statements[query]
	p.mu.Unlock()
	if ok {
		return stmt, nil
	}
	stmt, err := p.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, asUnavailable(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.statements[query]; ok {
		return first, stmt.Close()
	}
	p.statements[query] = stmt
	return stmt, nil
}

// ExecContext runs a statement that returns no rows.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	res, err := stmt.ExecContext(ctx, args...)
	return res, asUnavailable(err)
}

// QueryContext runs a query for a page of rows. A caller that has given up is told so,
// and one that gives up later gets its page: for each query whose context can end, the
// driver and database/sql start a goroutine each, which takes longer than most pages.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stmt, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(context.WithoutCancel(ctx), args...)
	return rows, asUnavailable(err)
}

// QueryRowContext runs a query for one row, as QueryContext does.
func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	stmt, err := p.statement(ctx, query)
	if err != nil || ctx.Err() != nil {
		return p.on.QueryRowContext(ctx, query, args...) // a row that says what is wrong
	}
	return stmt.QueryRowContext(context.WithoutCancel(ctx), args...)
}

// close forgets the statements; what they were made on is closed by its owner.
func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, stmt := range p.statements {
		errs = append(errs, stmt.Close())
	}
	p.statements = map[string]*sql.Stmt{}
	return errors.Join(errs...)
}
