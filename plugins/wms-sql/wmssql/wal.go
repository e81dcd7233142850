package wmssql

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// statusEvery is how often the server is told how far the journal is: also while nothing is taken from the line, so that it does not believe the
	// plugin dead (its wal_sender_timeout, a minute by default).
	statusEvery = time.Second
	// quiet is how long a server may say nothing at all; it is asked for a word with every status.
	quiet = time.Minute
	// maxWaiting bounds the bytes of changes that were received and not yet worked on.
	maxWaiting = 8 << 20
)

// walLine is a connection over which a slot's changes come. One goroutine receives, another tells the server what the journal has.
type walLine struct {
	conn  net.Conn
	front *pgproto3.Frontend

	// durable is how far the journal has acknowledged everything, kept by whoever works on the changes; seen is the last position that came.
	durable *atomic.Uint64
	seen    atomic.Uint64

	mu      sync.Mutex
	waiting []any
	bytes   int
	failed  error
	// room is closed and replaced when waiting is taken; more has room for one sign that something waits.
	room chan struct{}
	more chan struct{}

	kick  chan struct{}
	stop  chan struct{}
	ended sync.WaitGroup
}

// connectWAL opens a session that can speak of replication.
func connectWAL(ctx context.Context, d Database) (*pgconn.PgConn, error) {
	password, err := d.password()
	if err != nil {
		return nil, &databaseFault{faultRights, "the password of " + d.User, err}
	}
	config, err := postgresConfig(d, d.Login, password)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	return conn, postgres.failed("opening a session for replication", err)
}

// startWAL begins to receive the changes of a slot from a position on. The session is the line's from then on.
func startWAL(ctx context.Context, session *pgconn.PgConn, r Replication, from lsn, durable *atomic.Uint64, more chan struct{}) (*walLine, error) {
	session.Frontend().SendQuery(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL %s (proto_version '1', publication_names %s)",
		doubleQuoted(r.Slot), from, literal(doubleQuoted(r.Publication)))})
	if err := session.Frontend().Flush(); err != nil {
		return nil, err
	}
	for {
		m, err := session.ReceiveMessage(ctx)
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *pgproto3.CopyBothResponse:
			hijacked, err := session.Hijack()
			if err != nil {
				return nil, err
			}
			l := &walLine{conn: hijacked.Conn, front: hijacked.Frontend, durable: durable, room: make(chan struct{}), more: more, kick: make(chan struct{}, 1), stop: make(chan struct{})}
			l.ended.Add(2)
			go l.receive()
			go l.tell()
			return l, nil
		case *pgproto3.ErrorResponse:
			return nil, pgconn.ErrorResponseToPgError(m)
		}
	}
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// close ends the line and both goroutines.
func (l *walLine) close() {
	close(l.stop)
	l.cut()
	l.ended.Wait()
}

// cut ends the connection; who takes from the line then comes to its end.
func (l *walLine) cut() { _ = l.conn.Close() } // whatever it says, it is gone

// ask makes the server say how far it is.
func (l *walLine) ask() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// take gives what has come since the last time, and what ended the line once all was taken.
func (l *walLine) take() ([]any, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.waiting
	l.waiting, l.bytes = nil, 0
	close(l.room)
	l.room = make(chan struct{})
	if len(out) == 0 {
		return nil, l.failed
	}
	return out, nil
}

// put waits for room; false once the line is closed.
func (l *walLine) put(m any, size int) bool {
	l.mu.Lock()
	for l.bytes > maxWaiting {
		room := l.room
		l.mu.Unlock()
		select {
		case <-room:
		case <-l.stop:
			return false
		}
		l.mu.Lock()
	}
	l.waiting, l.bytes = append(l.waiting, m), l.bytes+size+64
	l.mu.Unlock()
	l.sign()
	return true
}

func (l *walLine) sign() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *walLine) receive() {
	defer l.ended.Done()
	err := l.receiving()
	l.mu.Lock()
	l.failed = err
	l.mu.Unlock()
	l.sign()
}

func (l *walLine) receiving() error {
	for {
		if err := l.conn.SetReadDeadline(time.Now().Add(quiet)); err != nil {
			return err
		}
		m, err := l.front.Receive()
		if err != nil {
			return fmt.Errorf("the line of the slot: %w", err)
		}
		switch m := m.(type) {
		case *pgproto3.CopyData:
			more, err := l.message(m.Data)
			if err != nil || !more {
				return err
			}
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		case *pgproto3.CopyDone:
			return errors.New("the server has ended the replication")
		}
	}
}

// message takes one apart: changes (w) or a sign of life (k).
func (l *walLine) message(data []byte) (bool, error) {
	switch {
	case len(data) >= 18 && data[0] == 'k':
		end := lsn(binary.BigEndian.Uint64(data[1:]))
		l.notice(uint64(end))
		if data[17] != 0 {
			l.ask()
		}
		return l.put(walKeepalive{end}, 0), nil
	case len(data) >= 25 && data[0] == 'w':
		l.notice(binary.BigEndian.Uint64(data[1:]))
		m, err := decodeWAL(data[25:])
		if err != nil || m == nil {
			return true, err
		}
		return l.put(m, len(data)), nil
	}
	return true, nil
}

func (l *walLine) notice(at uint64) {
	if at > l.seen.Load() {
		l.seen.Store(at)
	}
}

// postgresEpoch is that of PostgreSQL's times.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// tell says now and then what was received and what the journal has, and asks for an answer, so that both ends know of each other.
func (l *walLine) tell() {
	defer l.ended.Done()
	ticks := time.NewTicker(statusEvery)
	defer ticks.Stop()
	for {
		durable := l.durable.Load()
		status := append(make([]byte, 0, 34), 'r')
		status = binary.BigEndian.AppendUint64(status, max(l.seen.Load(), durable))
		status = binary.BigEndian.AppendUint64(status, durable)
		status = binary.BigEndian.AppendUint64(status, durable)
		status = binary.BigEndian.AppendUint64(status, uint64(time.Since(postgresEpoch).Microseconds()))
		status = append(status, 1)
		raw, err := (&pgproto3.CopyData{Data: status}).Encode(nil)
		if err == nil {
			err = l.conn.SetWriteDeadline(time.Now().Add(quiet))
		}
		if err == nil {
			_, err = l.conn.Write(raw)
		}
		if err != nil {
			l.cut() // the receiver says what is wrong
			return
		}
		select {
		case <-l.stop:
			return
		case <-ticks.C:
		case <-l.kick:
		}
	}
}

// postgresConfig is how a session is opened, and what is the same in all of them: how values are written as text.
func postgresConfig(d Database, login Login, password string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d dbname=%s user=%s sslmode=disable connect_timeout=10", pgValue(d.Host), d.Port, pgValue(d.Name), pgValue(login.User)))
	if err != nil {
		return nil, fmt.Errorf("how to log in: %w", err)
	}
	config.Password, config.Fallbacks = password, nil
	if config.TLSConfig, err = tlsConfig(d); err != nil {
		return nil, err
	}
	config.RuntimeParams = map[string]string{"application_name": "dockline-wms-sql", "TimeZone": "UTC", "DateStyle": "ISO"}
	return config, nil
}
