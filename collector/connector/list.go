package connector

import (
	"context"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Listed is one document of a system, as it lists it.
type Listed struct {
	// Reference is the external reference that it carries, "" for none. Number is what people call it there.
	Reference string `json:"reference"`
	Number    string `json:"number"`
	Order     string `json:"order,omitempty"`
	Site      string `json:"site,omitempty"`
	// At is when it was made or posted.
	At time.Time `json:"at"`
	// Draft: it has had no effect so far. Reversed: it was taken back, or cancelled, and has none any longer.
	Draft    bool `json:"draft,omitempty"`
	Reversed bool `json:"reversed,omitempty"`
	// Version is the source version that it holds, for Level; 0 where it keeps none.
	Version int64 `json:"version,omitempty"`
	// Fields are what the system tells beside lines, by the names of Content; what it does not tell is not there.
	Fields map[string]string `json:"fields,omitempty"`
	// Lines are those that it has; Whole says that the system told them, so that none means none.
	Lines []Line `json:"lines,omitempty"`
	Whole bool   `json:"whole,omitempty"`
}

// Listing asks for documents of one kind.
type Listing struct {
	Kind Kind
	// Site limits it where the system can, "" for all: whoever asks still looks at Listed.Site.
	Site string
	// Since leaves out what was neither made nor changed since then; zero is no limit.
	Since time.Time
	// Page is Next of the page before, "" at the beginning.
	Page string
}

// ListedPage is one answer. Next is where the next page begins; More says that there is one.
type ListedPage struct {
	Documents []Listed
	Next      string
	More      bool
}

// Lister is the part of the contract of which a connector may offer as much as its system allows: without it a sweep can only ask for what was
// posted, and never sees what others have made.
type Lister interface {
	// Lists are the kinds whose documents it lists.
	Lists() []Kind
	// List returns one page. A document that is there from the first page to the last is in one of them; one that is changed meanwhile may be in
	// several. An error is a *Fault.
	List(ctx context.Context, l Listing) (ListedPage, error)
}

// Lists are the kinds whose documents a connector lists, none where it does not.
func Lists(c Connector) []Kind {
	if l, ok := c.(Lister); ok {
		return l.Lists()
	}
	return nil
}

// Lists are those of the connector behind the account.
func (g *governed) Lists() []Kind { return Lists(g.Connector) }

// List is governed.
func (g *governed) List(ctx context.Context, l Listing) (page ListedPage, err error) {
	lister, ok := g.Connector.(Lister)
	if !ok {
		return page, &Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "kind_not_described", Text: g.account.Name + " lists no documents"}
	}
	err = g.read(ctx, ListCall, func(ctx context.Context) (err error) {
		page, err = lister.List(ctx, l)
		return err
	})
	return page, err
}
