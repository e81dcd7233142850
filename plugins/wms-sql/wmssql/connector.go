package wmssql

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// initialised is a connector whose connections begin with statements. Of either those may fail that the product does not know.
type initialised struct {
	driver.Connector
	session, either []string
}

// Connect implements driver.Connector.
func (i *initialised) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := i.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, statement := range i.session {
		if err := run(ctx, conn, statement); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", statement, err), conn.Close())
		}
	}
	for _, statement := range i.either {
		if err := run(ctx, conn, statement); errors.Is(err, driver.ErrBadConn) {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

func run(ctx context.Context, conn driver.Conn, statement string) error {
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		return fmt.Errorf("the driver cannot run it")
	}
	_, err := execer.ExecContext(ctx, statement, nil)
	return err
}

// certificates reads a file of certificates in PEM.
func certificates(path string) (*x509.CertPool, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the certificates cannot be read (%w); let the agent's service account read the file", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s holds no certificate in PEM; ask for the one that signs the database's", path)
	}
	return pool, nil
}

// wholeArgument gives a whole number as one: a text would be compared as a float, or as text.
func wholeArgument(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	return text
}

func bytesArgument(text string) any {
	if raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x")); err == nil {
		return raw
	}
	return text
}
