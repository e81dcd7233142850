package http

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

//go:embed definitions/*.yaml
var shipped embed.FS

// Shipped lists the names of the definitions that come with the program: "sandbox-erp".
func Shipped() []string {
	names, err := fs.Glob(shipped, "definitions/*.yaml")
	if err != nil {
		return nil
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(filepath.Base(name), ".yaml")
	}
	slices.Sort(names)
	return names
}

// source is a definition as it stands in its file. What is CEL says so; all else is plain.
type source struct {
	// System names the system in document references; Title is for people.
	System string `yaml:"system"`
	Title  string `yaml:"title"`
	// Timeout ends one request; the configuration may set another. SettleTime: see connector.Connector.
	Timeout    time.Duration `yaml:"timeout"`
	SettleTime time.Duration `yaml:"settle_time"`
	Rate       Rate          `yaml:"rate"`
	// Auth says how requests prove who sends them. Failed is a CEL bool over status, body, headers and method: an answer that is an error although
	// its status is one of success.
	Auth     authSource            `yaml:"auth"`
	Failed   string                `yaml:"failed"`
	Probe    probeSource           `yaml:"probe"`
	Shape    *shapeSource          `yaml:"shape"`
	Errors   []errorSource         `yaml:"errors"`
	Kinds    map[string]kindSource `yaml:"kinds"`
	Changes  *changesSource        `yaml:"changes"`
	Snapshot *snapshotSource       `yaml:"snapshot"`
	// Records are records that the system lists to be compared: order, customer.
	Records map[string]listSource `yaml:"records"`
	// Master is master data that the system tells of, by kind; Tell is what it takes.
	Master map[string]masterSource `yaml:"master"`
	Tell   map[string]tellSource   `yaml:"tell"`
}

// masterSource is a feed of records: Items a CEL list, Next a CEL string (the cursor after this answer), More a CEL bool, all over body; Code a
// CEL string and Record a CEL MasterRecord over item.
type masterSource struct {
	Request requestSource `yaml:",inline"`
	// Forgotten are the statuses that mean that the cursor is no longer known.
	Forgotten []int  `yaml:"forgotten"`
	Items     string `yaml:"items"`
	Next      string `yaml:"next"`
	More      string `yaml:"more"`
	Code      string `yaml:"code"`
	Record    string `yaml:"record"`
}

// tellSource is the request that restates records: its expressions are over records, a list of MasterRecord. Refused is a CEL list over body;
// Code and Reason are CEL strings over item for each of it.
type tellSource struct {
	Request requestSource `yaml:",inline"`
	Refused string        `yaml:"refused"`
	Code    string        `yaml:"code"`
	Reason  string        `yaml:"reason"`
}

// Rate limits the requests to one target account.
type Rate struct {
	// PerSecond is how many requests a second, 0 being no limit.
	PerSecond float64 `yaml:"per_second"`
	// Burst is how many may go at once after a pause; 0 is one.
	Burst int `yaml:"burst"`
}

// requestSource is one HTTP request: Path a CEL string, Query, Headers and Form CEL maps of strings, Body a CEL map. Body is sent as JSON, Form as
// a form is.
type requestSource struct {
	Method  string `yaml:"method"`
	Path    string `yaml:"path"`
	Query   string `yaml:"query"`
	Headers string `yaml:"headers"`
	Body    string `yaml:"body"`
	Form    string `yaml:"form"`
	// Pages says how an answer in several pages is read; only for requests that read a list.
	Pages *pagesSource `yaml:"pages"`
}

type probeSource struct {
	Request requestSource `yaml:",inline"`
	// Expect is a CEL bool over body, Version a CEL string.
	Expect  string `yaml:"expect"`
	Version string `yaml:"version"`
}

// shapeSource asks how the system's records are made. Fields is a CEL list over body, of maps with name ("record.field"), type, required and values.
type shapeSource struct {
	Request requestSource `yaml:",inline"`
	Fields  string        `yaml:"fields"`
}

type errorSource struct {
	Status []int `yaml:"status"`
	// When is a CEL bool over status, body, headers and method; absent is true.
	When  string `yaml:"when"`
	Class string `yaml:"class"`
	Code  string `yaml:"code"`
	// Text is a CEL string over the same; absent is what the answer says.
	Text    string `yaml:"text"`
	Remedy  string `yaml:"remedy"`
	Unknown bool   `yaml:"unknown"`
	// RetryAfter is a CEL int over the same: seconds after which the system may be asked again.
	RetryAfter string `yaml:"retry_after"`
	// OpenFrom is a CEL string over the same: the first day, YYYY-MM-DD, that is open, where the fault is that a period is closed.
	OpenFrom string `yaml:"open_from"`
}

type kindSource struct {
	Style string `yaml:"style"`
	// Names are what the system needs to know of what others call the order: "crm/quote", "customer/order". posting.names has those that
	// there are, and nothing else.
	Names []string     `yaml:"names"`
	Find  findSource   `yaml:"find"`
	Apply []stepSource `yaml:"apply"`
	// Discard deletes a draft that is one too many.
	Discard *discardSource `yaml:"discard"`
	// List lists all of the kind, for a sweep.
	List *listSource `yaml:"list"`
}

type discardSource struct {
	Request requestSource `yaml:",inline"`
	// Absent are the statuses that mean that it is no draft any longer.
	Absent []int `yaml:"absent"`
}

type findSource struct {
	Request requestSource `yaml:",inline"`
	// Absent are the statuses that mean that there is none.
	Absent []int `yaml:"absent"`
	// Items is a CEL list over body; the others are CEL over item and body for each of them.
	Items      string         `yaml:"items"`
	Match      string         `yaml:"match"`
	Document   documentSource `yaml:"document"`
	Version    string         `yaml:"version"`
	Complete   string         `yaml:"complete"`
	Draft      string         `yaml:"draft"`
	Reversed   string         `yaml:"reversed"`
	Difference string         `yaml:"difference"`
}

// documentSource names a document: Kind is plain, Number a CEL string over item.
type documentSource struct {
	Kind   string `yaml:"kind"`
	Number string `yaml:"number"`
}

type stepSource struct {
	// When is a CEL bool over posting and found; absent is true.
	When    string        `yaml:"when"`
	Request requestSource `yaml:",inline"`
}

type changesSource struct {
	Request requestSource `yaml:",inline"`
	// Items is a CEL list, Next a CEL string (the cursor after this answer), More a CEL bool; all over body.
	Items string `yaml:"items"`
	Next  string `yaml:"next"`
	More  string `yaml:"more"`
	// Clock is for a system that keeps no cursor, in the place of Next and More.
	Clock *clockSource `yaml:"clock"`
	// OccurredAt is a CEL timestamp over item.
	OccurredAt string        `yaml:"occurred_at"`
	Events     []eventSource `yaml:"events"`
}

// eventSource makes an event of a change: Kind is plain, all else CEL over item.
type eventSource struct {
	When     string         `yaml:"when"`
	Kind     string         `yaml:"kind"`
	Subject  string         `yaml:"subject"`
	Key      string         `yaml:"key"`
	Revision string         `yaml:"revision"`
	Document documentSource `yaml:"document"`
	Payload  string         `yaml:"payload"`
}

type snapshotSource struct {
	// Sites lists the sites: Items a CEL list over body, Site a CEL string over item.
	Sites struct {
		Request requestSource `yaml:",inline"`
		Items   string        `yaml:"items"`
		Site    string        `yaml:"site"`
	} `yaml:"sites"`
	// Stock is asked for each site; Line is a CEL Line over item.
	Stock struct {
		Request    requestSource `yaml:",inline"`
		Absent     []int         `yaml:"absent"`
		Items      string        `yaml:"items"`
		Line       string        `yaml:"line"`
		OccurredAt string        `yaml:"occurred_at"`
		Revision   string        `yaml:"revision"`
	} `yaml:"stock"`
}

// Definition describes one system, checked and compiled. It holds no address and no secret and may serve many connectors.
type Definition struct {
	// System is the name in document references where the configuration gives none; Title is for people.
	System, Title string

	timeout, settle time.Duration
	rate            Rate
	auth            auth
	failed          *expression
	probe           probe
	shape           *shape
	errors          []errorRule
	kinds           map[connector.Kind]*kind
	records         map[connector.Kind]*listing
	changes         *changes
	snapshot        *snapshot
	master          map[docklinev1.MasterKind]*feed
	tell            map[docklinev1.MasterKind]*teller
}

// Load reads a definition: the name of a shipped one, or the path of a file.
func Load(nameOrPath string) (*Definition, error) {
	if !strings.ContainsAny(nameOrPath, `/\.`) {
		text, err := shipped.ReadFile("definitions/" + nameOrPath + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("definition %q is not shipped; there are %s, or name a file", nameOrPath, strings.Join(Shipped(), ", "))
		}
		return Parse(nameOrPath+".yaml", text)
	}
	text, err := os.ReadFile(nameOrPath)
	if err != nil {
		return nil, fmt.Errorf("read definition: %w", err)
	}
	return Parse(nameOrPath, text)
}

// Parse checks and compiles a definition. The error is configfile.Faults: every fault with its line.
func Parse(name string, text []byte) (*Definition, error) {
	var s source
	file, err := configfile.Decode(name, text, &s)
	if err != nil {
		return nil, err
	}
	c := &compiler{file: file, text: strings.Split(string(text), "\n")}
	d := c.definition(&s)
	if err := c.faults.Err(); err != nil {
		return nil, err
	}
	return d, nil
}
