package wmssql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
)

// faultClass says what kind of trouble a database has, and so who is to do something about it.
type faultClass int

const (
	faultOther faultClass = iota
	// faultAway: it cannot be reached; it is asked again until it can.
	faultAway
	// faultBusy: it took too long, or somebody else holds what is read; it is asked less often.
	faultBusy
	// faultRights: this user may not.
	faultRights
	// faultSchema: a table or column is not what the configuration says.
	faultSchema
	// faultData: it does not take a value that is written.
	faultData
	// faultSetup: replication is not set up as it must be.
	faultSetup
)

var (
	errRights  = errors.New("this user may not see which transactions are open")
	errReplica = errors.New("this is a copy of the database that follows another: which transactions are open there, it does not know")
)

// databaseFault is what went wrong at the database, and at what.
type databaseFault struct {
	class faultClass
	what  string
	err   error
}

func (f *databaseFault) Error() string { return f.what + ": " + f.err.Error() }
func (f *databaseFault) Unwrap() error { return f.err }

// failed classifies an error of the database; nil stays nil. What is no trouble of the database is not for this.
func (d *dialect) failed(what string, err error) error {
	var before *databaseFault
	if err == nil || errors.As(err, &before) {
		return err
	}
	class := d.classify(err)
	var away net.Error
	if remedy := tlsRemedy(err); remedy != "" {
		return &databaseFault{faultOther, what, &tlsFault{remedy, err}}
	}
	switch {
	case errors.Is(err, errRights), errors.Is(err, errReplica):
		class = faultRights
	case class != faultOther:
	case errors.Is(err, context.DeadlineExceeded):
		class = faultBusy
	case errors.As(err, &away), errors.Is(err, driver.ErrBadConn), strings.Contains(err.Error(), "connect"), strings.Contains(err.Error(), "EOF"), strings.Contains(err.Error(), "conn closed"), strings.Contains(err.Error(), "broken pipe"):
		class = faultAway
	}
	return &databaseFault{class, what, err}
}

// tlsFault is a server that is there and does not speak TLS as the configuration says: to wait for it changes nothing.
type tlsFault struct {
	remedy string
	err    error
}

func (f *tlsFault) Error() string { return f.remedy + " (" + f.err.Error() + ")" }
func (f *tlsFault) Unwrap() error { return f.err }

// tlsRemedy says what to do about a server's TLS; empty where that is not what is wrong.
func tlsRemedy(err error) string {
	var verify *tls.CertificateVerificationError
	var host x509.HostnameError
	text := err.Error()
	switch {
	case strings.Contains(text, "refused TLS"), strings.Contains(text, "does not support TLS"):
		return "the server does not speak TLS; let an administrator switch it on there, or, in a network that you trust, write tls: off under database"
	case errors.As(err, &host):
		return "the server's certificate is for another name; write the name that stands in it as host, or tls: require to take any certificate"
	case errors.As(err, &verify):
		return "the server's certificate is not trusted, or its time is over; name the certificate that signs it as ca under database, or write tls: require to take any certificate"
	}
	return ""
}

func schemaFault(what, format string, args ...any) error {
	return &databaseFault{faultSchema, what, fmt.Errorf(format, args...)}
}

// classOf is the class of a databaseFault; false for any other error.
func classOf(err error) (faultClass, bool) {
	var f *databaseFault
	if !errors.As(err, &f) {
		return faultOther, false
	}
	return f.class, true
}
