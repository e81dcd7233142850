// Package posting tells systems of record what follows from the state, each thing once: it keeps what is wanted beside what is
// confirmed, sends the difference, and settles by reading back what it does not know.
package posting

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Ref names one posting within a tenant.
type Ref struct {
	// Target is the connector's name in the configuration.
	Target string
	Kind   connector.Kind
	// Key is the natural key; the target keeps it as its reference.
	Key string
}

// String is the reference as people and exceptions see it: "erp/goods_issue/SO1/SH1".
func (r Ref) String() string { return r.Target + "/" + string(r.Kind) + "/" + r.Key }

// Desired is one thing that a fold wants a target to know.
type Desired struct {
	Target string
	Kind   connector.Kind
	Key    string
	// SerialKey holds postings of one business case to one target in order, as "order/SO1"; empty means in no order.
	SerialKey string
	// Site is where the facts came from, for people; empty for the centre.
	Site          string
	CorrelationID string
	// Document is what the target is told. For a stock adjustment its delta is the whole variance, whatever was booked of it before.
	Document *docklinev1.Document
	// SourceVersion should grow whenever the document changes; where it does not, Put raises it by one.
	SourceVersion int64
	// Needs are the postings that must be confirmed before this one is sent.
	Needs []Ref
	// EventIDs are the events that feed the posting; their receipts follow from it.
	EventIDs []string
	Style    connector.Style
	// Timing is its timing class, NotBefore when it may be sent at the earliest (a batch's hour; zero for at once), and Within how long it may
	// take from then on, 0 for no promise.
	Timing    Timing
	NotBefore time.Time
	Within    time.Duration
	// Priority is how far it goes ahead of others that wait for the target.
	Priority Priority
}

// Ref is the name of the desired posting.
func (d Desired) Ref() Ref { return Ref{Target: d.Target, Kind: d.Kind, Key: d.Key} }

// Hash is the hex SHA-256 of the document's deterministic form. Equal hashes mean that there is nothing to send.
func Hash(d *docklinev1.Document) (string, error) {
	body, err := marshal(d)
	if err != nil {
		return "", err
	}
	return hashOf(body), nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func marshal(m proto.Message) ([]byte, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("posting: marshal document: %w", err)
	}
	return body, nil
}

// origin is what exceptions of a posting name as theirs.
func origin(r Ref) string { return "posting/" + r.String() }
