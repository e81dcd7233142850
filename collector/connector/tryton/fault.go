package tryton

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const userError = "user_error"

func technical(code, text, remedy string, err error) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: code, Text: text, Remedy: remedy, Err: err}
}

func dataFault(code, remedy, format string, args ...any) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: code, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

func processFault(code, remedy, format string, args ...any) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: code, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// isCode tells whether err is a fault with this code.
func isCode(err error, code string) bool {
	f, ok := errors.AsType[*connector.Fault](err)
	return ok && f.Code == code
}

// statusFault is what an HTTP status other than 200 means. Tryton answers 200 to everything that it has understood.
func statusFault(method string, status int, header nethttp.Header) *connector.Fault {
	said := fmt.Sprintf("%s was answered with status %d", method, status)
	switch status {
	case nethttp.StatusUnauthorized:
		return technical("not_authorised", "Tryton does not accept the log-in", "check login and password of the connector", nil)
	case nethttp.StatusForbidden:
		return technical("no_such_method", said, "see whether the modules sale and stock_lot are activated, and which version this is", nil)
	case nethttp.StatusNotFound:
		return technical("no_such_database", said, "check the database in the connector's url", nil)
	case nethttp.StatusTooManyRequests, nethttp.StatusServiceUnavailable:
		f := technical("busy", said, "it will be tried again", nil)
		f.RetryAfter = time.Minute
		if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil && seconds > 0 {
			f.RetryAfter = time.Duration(seconds) * time.Second
		}
		return f
	}
	f := technical("server_error", said, "it will be tried again; look into the log of trytond if it stays", nil)
	f.Unknown = status/100 == 5 && writes(method)
	return f
}

// errorFault is what the error element of an answer means. Its texts are translated: only the first element tells.
func errorFault(method string, v any) *connector.Fault {
	list, _ := v.([]any)
	if len(list) == 0 {
		return technical("bad_answer", fmt.Sprintf("%s: an error of unknown form: %v", method, v), "check the version of Tryton", nil)
	}
	first, rest := fmt.Sprint(list[0]), ""
	if len(list) > 1 {
		rest = message(list[1])
	}
	switch first {
	case "UserError":
		return processFault(userError, "do in Tryton what it says, then requeue", "Tryton refused: %s", rest)
	case "UserWarning":
		return processFault("question", "answer the question in Tryton, then requeue", "Tryton asks: %s", rest)
	case "ConcurrencyException":
		return technical("conflict", "somebody else changed the record at the same time", "it will be tried again", nil)
	case "LoginException":
		return technical("not_authorised", "the log-in asks for more than a password: "+rest, "give the connector a user who logs in by password alone", nil)
	}
	switch {
	case strings.Contains(first, "could not obtain lock"), strings.Contains(first, "could not serialize"), strings.Contains(first, "database is locked"),
		strings.Contains(first, "deadlock detected"):
		f := technical("locked", "Tryton was busy with another change: "+first, "it will be tried again", nil)
		f.RetryAfter = 2 * time.Second
		return f
	case strings.Contains(first, "connection to server"):
		return technical("database_down", "Tryton has no connection to its database: "+first, "start Tryton's database", nil)
	case strings.Contains(first, "server closed the connection"):
		f := technical("database_down", "Tryton lost its database: "+first, "start Tryton's database", nil)
		f.Unknown = writes(method) // it may have been lost at the commit
		return f
	}
	return technical("protocol", fmt.Sprintf("%s: %s", method, first), "the connector and this Tryton do not fit: report it with the version", nil)
}

// message is the text of an error's second element: message and description, or plain.
func message(v any) string {
	parts, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	var texts []string
	for _, part := range parts {
		if s, ok := part.(string); ok && s != "" {
			texts = append(texts, s)
		}
	}
	return strings.Join(texts, ": ")
}
