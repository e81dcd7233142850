package db

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
)

// session is one connection. On SQLite it keeps its prepared statements, since parsing costs more than running most of
// them; pgx does that by itself.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	// tx is the transaction under way, on PostgreSQL only. Statements must go through it there: database/sql closes a connection on which
	// it finds the server gone, and where that is found beside the transaction, closing waits for the transaction's end for ever.
	tx *sql.Tx
	// ran counts the statements; it is the database's.
	ran *atomic.Int64
}

// maxStatements bounds a session's cache. Beyond it any one is given up for the next: what is used often comes back, where a cache that is
// full of rare shapes would be of no use for ever.
const maxStatements = 400

// access is what a transaction wants: to write, and that before others.
type access struct{ write, first bool }

// session takes a connection for one transaction; release gives it back.
func (d *DB) session(ctx context.Context, a access) (*session, func(), error) {
	if d.postgres {
		conn, err := d.pool.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		return &session{conn: conn, ran: &d.ran}, func() { conn.Close() }, nil
	}
	slots, pool := d.write, d.pool
	if !a.write {
		slots, pool = d.read, d.readPool
	}
	var ahead chan *session // nobody hands anything over on none
	if a.first {
		ahead = d.first
	}
	var s *session
	select {
	case s = <-ahead:
	case s = <-slots:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	release := func() { slots <- s }
	if a.write {
		release = func() {
			select {
			case d.first <- s: // to who is waiting there at this moment
			default:
				slots <- s
			}
		}
	}
	if s.conn == nil {
		conn, err := pool.Conn(ctx)
		if err != nil {
			release()
			return nil, nil, err
		}
		s.conn, s.stmts, s.ran = conn, map[string]*sql.Stmt{}, &d.ran
	}
	return s, release, nil
}

// slots makes n places for sessions that are opened on first use.
func slots(n int) chan *session {
	c := make(chan *session, n)
	for range n {
		c <- &session{}
	}
	return c
}

// closeSessions gives their connections back: a pool does not end those that it has handed out, and the file would stay open. A session
// that is in use, or asked for later, meets the closed pool.
func closeSessions(slots chan *session) error {
	var errs []error
	for range cap(slots) {
		select {
		case s := <-slots:
			for _, stmt := range s.stmts {
				errs = append(errs, stmt.Close())
			}
			if s.conn != nil {
				errs = append(errs, s.conn.Close())
			}
			slots <- &session{}
		default:
		}
	}
	return errors.Join(errs...)
}

func (s *session) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	s.ran.Add(1)
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	if s.tx != nil {
		return s.tx.ExecContext(ctx, query, args...)
	}
	return s.conn.ExecContext(ctx, query, args...)
}

func (s *session) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	s.ran.Add(1)
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	if s.tx != nil {
		return s.tx.QueryContext(ctx, query, args...)
	}
	return s.conn.QueryContext(ctx, query, args...)
}

// prepared returns nil where statements are not kept here.
func (s *session) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s.stmts == nil {
		return nil, nil
	}
	if stmt := s.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(s.stmts) >= maxStatements {
		for other, old := range s.stmts {
			delete(s.stmts, other)
			if err := old.Close(); err != nil {
				return nil, errors.Join(err, stmt.Close())
			}
			break
		}
	}
	s.stmts[query] = stmt
	return stmt, nil
}
