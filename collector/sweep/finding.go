// Package sweep compares what a system of record or engagement holds with what it should hold: documents with postings, statuses with what was
// stated, stock with the own ledger. DESIGN.md says what is compared and what follows.
package sweep

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/proto/event"
)

// Expected is one document that a target should hold, as its posting says.
type Expected struct {
	Kind connector.Kind `json:"kind"`
	// Key is the posting's; Reference what the target keeps of it: the same, or "key#2" where the document was made anew.
	Key       string `json:"key"`
	Reference string `json:"reference"`
	// Numbers are those under which the target confirmed it.
	Numbers []string        `json:"numbers,omitempty"`
	Site    string          `json:"site,omitempty"`
	Style   connector.Style `json:"style,omitempty"`
	// Settled: the target confirmed it, and nothing else is wanted. Why says how it stands where it is not.
	Settled bool   `json:"settled"`
	Why     string `json:"why,omitempty"`
	// Perhaps: it may have had its effect already.
	Perhaps bool `json:"perhaps,omitempty"`
	// MovedAt is when its posting last moved.
	MovedAt time.Time         `json:"moved_at"`
	Content connector.Content `json:"content"`
	// Place orders postings, for who reads them page by page.
	Place int64 `json:"place"`
	// MadeAt is when a record was made, where that is known.
	MadeAt time.Time `json:"-"`
	// Events are the ids of those that feed it; only of what is not settled.
	Events []string `json:"events,omitempty"`
}

// Result is what the comparison of one document or position came to.
type Result string

// The results.
const (
	Matched   Result = "matched"
	Missing   Result = "missing"
	Extra     Result = "extra"
	Different Result = "different"
)

// Cause explains what is not matched.
type Cause string

// The causes.
const (
	Unexplained Cause = ""
	Pending     Cause = "pending"
	Gap         Cause = "gap"
)

// KindStock is the kind of a finding about a position of stock; all others are those of postings.
const KindStock connector.Kind = "stock"

// Codes of exceptions.
const (
	CodeMissing   = "sweep_missing"
	CodeExtra     = "sweep_extra"
	CodeDifferent = "sweep_different"
	CodeStock     = "sweep_stock"
)

// Detail is one thing in which both sides differ: a line, or a field.
type Detail struct {
	What   string `json:"what"`
	Ours   string `json:"dockline"`
	Theirs string `json:"system"`
}

// Finding is a document or a position of stock that is not matched.
type Finding struct {
	// Subject names it within a target: "goods_issue SO1/S1", "stock dc-east BOLT lot L7".
	Subject string         `json:"subject"`
	Kind    connector.Kind `json:"kind"`
	Result  Result         `json:"result"`
	Cause   Cause          `json:"cause"`
	Site    string         `json:"site,omitempty"`
	Order   string         `json:"order,omitempty"`
	// Key is the posting's, Number what people call the document in the system; "" where there is none.
	Key    string `json:"key,omitempty"`
	Number string `json:"number,omitempty"`
	// Field is the one on which two systems disagree, of a record; "" of all else.
	Field string `json:"field,omitempty"`
	// Version is that which the system shows, of a status.
	Version int64    `json:"version,omitempty"`
	Details []Detail `json:"details,omitempty"`
	// Text is a sentence for people; Because are the postings, with their events, that explain it, or part of it.
	Text    string   `json:"text"`
	Because []string `json:"because,omitempty"`
	// Quantity is how much is not explained, in millionths, and Value what that is worth, where it is known.
	Quantity int64  `json:"quantity_millionths"`
	Value    string `json:"value,omitempty"`
	// Absent: the target was asked and has nothing under the reference.
	Absent bool `json:"absent,omitempty"`
	// Owner is the role, by ownership.yaml, that is the record of what differs: the other side has to follow.
	Owner string `json:"owner,omitempty"`
	// Healing says what Dockline does about it by itself.
	Healing string `json:"healing,omitempty"`
	// Lines are the differences of single lines, without sign.
	Lines []connector.Line `json:"lines,omitempty"`

	// moving: the ledger moved, or was about to, while the book was read.
	moving bool
}

// Code is the code of its exception.
func (f *Finding) Code() string {
	switch {
	case f.Kind == KindStock:
		return CodeStock
	case f.Field != "":
		return CodeField
	}
	return map[Result]string{Missing: CodeMissing, Extra: CodeExtra, Different: CodeDifferent}[f.Result]
}

// Named is what people call what it is about: "goods issue SO1/S1".
func (f *Finding) Named() string {
	_, name, _ := strings.Cut(f.Subject, " ")
	return words(f.Kind) + " " + name
}

// kindWords are the kinds as people call them.
var kindWords = map[connector.Kind]string{connector.GoodsIssue: "goods issue", connector.InvoiceTrigger: "invoice", connector.StockAdjustment: "stock adjustment",
	connector.OrderStatus: "status of order", connector.ServiceCase: "service case", connector.OrderAmendment: "order amendment",
	connector.GoodsIssueReversal: "reversal of goods issue", connector.InvoiceReversal: "reversal of invoice", connector.ReturnReceipt: "return receipt",
	connector.CreditRequest: "credit", connector.ReturnReceiptReversal: "reversal of return receipt", connector.CreditReversal: "reversal of credit"}

// capital are words at the beginning of a sentence.
func capital(kind connector.Kind) string {
	text := words(kind)
	return strings.ToUpper(text[:1]) + text[1:]
}

func words(kind connector.Kind) string { return cmp.Or(kindWords[kind], string(kind)) }

// several are many documents of a kind, as people call them.
func several(kind connector.Kind) string {
	first, rest, of := strings.Cut(words(kind), " of ")
	switch {
	case strings.HasSuffix(first, "s"):
		first += "es"
	default:
		first += "s"
	}
	if of {
		return first + " of " + rest
	}
	return first
}

func lineName(l connector.Line) string {
	var parts []string
	if l.OrderLine != "" {
		parts = append(parts, "line "+l.OrderLine)
	}
	parts = append(parts, l.Item)
	if l.Lot != "" {
		parts = append(parts, "lot "+l.Lot)
	}
	return strings.Join(parts, " ")
}

// inWords tells details in a sentence: "line 10 BOLT is 5 in Dockline and 6 in erp".
func inWords(details []Detail, system string) string {
	const most = 6
	var out []string
	for i, d := range details {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(details)-most))
			break
		}
		out = append(out, fmt.Sprintf("%s is %s in Dockline and %s in %s", d.What, orNothing(d.Ours), orNothing(d.Theirs), system))
	}
	return strings.Join(out, "; ")
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

func amount(n int64) string { return event.FormatQuantity(n) }

func sumOf(lines []connector.Line) (n int64) {
	for _, l := range lines {
		n += max(l.Quantity, -l.Quantity)
	}
	return n
}
