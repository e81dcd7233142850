package http

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// kind is how one kind of posting is written.
type kind struct {
	name     connector.Kind
	style    connector.Style
	names    []string
	variable string
	find     finder
	steps    []applyStep
	discard  *discard
	list     *listing // nil where the system lists none
}

// discard is the request that deletes a draft.
type discard struct {
	request *request
	absent  []int
}

type finder struct {
	request                              *request
	absent                               []int
	items, match                         *expression
	document                             document
	version, complete, draft, difference *expression
	reversed                             *expression
}

type document struct {
	kind   string
	number *expression
}

type applyStep struct {
	when    *expression
	request *request
}

// match is one document of ours in the target, with the record as it came.
type match struct {
	connector.Found
	item any
}

// vars are the variables of a posting.
func (k *kind) vars(p *connector.Posting) (values, error) {
	doc := p.Document.ProtoReflect()
	field := doc.WhichOneof(doc.Descriptor().Oneofs().ByName("document"))
	if field == nil || "posting."+string(field.Name()) != k.variable {
		return nil, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "wrong_document",
			Text: fmt.Sprintf("posting %s of kind %s carries another document", p.Key, p.Kind), Remedy: "this is a defect of Dockline: report it"}
	}
	needs := make([]proto.Message, len(p.Needs))
	for i, n := range p.Needs {
		needs[i] = n
	}
	return values{"posting.tenant": p.Tenant, "posting.key": p.Key, "posting.source_version": p.SourceVersion,
		"posting.correlation_id": p.CorrelationID, "posting.posting_date": p.PostingDate, "posting.references": references(p), "posting.names": k.needed(p), "posting.needs": needs, k.variable: doc.Get(field).Message().Interface()}, nil
}

// references is never nil: an expression may ask for what is not there.
func references(p *connector.Posting) map[string]string {
	if p.References == nil {
		return map[string]string{}
	}
	return p.References
}

// needed are the names that the definition asks for, of those that there are.
func (k *kind) needed(p *connector.Posting) map[string]string {
	names := make(map[string]string)
	for _, name := range k.names {
		if theirs, known := p.Names[name]; known {
			names[name] = theirs
		}
	}
	return names
}

func (c *Connector) kind(p *connector.Posting) (*kind, values, error) {
	k := c.definition.kinds[p.Kind]
	if k == nil {
		return nil, nil, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "kind_not_described",
			Text: fmt.Sprintf("%s takes no %s", c.definition.System, p.Kind), Remedy: "add the kind to the definition, or leave it out of the policy"}
	}
	v, err := k.vars(p)
	return k, v, err
}

// Find returns every document that carries the posting's key.
func (c *Connector) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	k, v, err := c.kind(p)
	if err != nil {
		return nil, err
	}
	matches, err := c.find(ctx, k, p, v)
	if err != nil {
		return nil, err
	}
	found := make([]connector.Found, len(matches))
	for i, m := range matches {
		found[i] = m.Found
	}
	return found, nil
}

func (c *Connector) find(ctx context.Context, k *kind, p *connector.Posting, v values) ([]match, error) {
	var found []match
	_, err := c.readPages(ctx, k.find.request, k.find.items, v, traceparent(p), func(v values, items []ref.Val) error {
		for _, item := range items {
			one, ours, err := c.read(ctx, k, v.with(values{"item": item}))
			if err != nil {
				return err
			}
			if ours {
				one.item = item
				found = append(found, one)
			}
		}
		return nil
	}, k.find.absent...)
	if err != nil {
		return nil, err
	}
	// What was taken back counts only where nothing else is there.
	if inForce := slices.DeleteFunc(slices.Clone(found), func(m match) bool { return m.Reversed }); len(inForce) > 0 {
		return inForce, nil
	}
	return found, nil
}

func (c *Connector) read(ctx context.Context, k *kind, v values) (m match, ours bool, err error) {
	f := &k.find
	if ours, err = f.match.bool(ctx, v, true); err != nil || !ours {
		return m, false, err
	}
	if m.Document, err = c.document(ctx, f.document, v); err != nil {
		return m, false, err
	}
	if m.SourceVersion, err = f.version.int(ctx, v); err != nil {
		return m, false, err
	}
	if m.Reversed, err = f.reversed.bool(ctx, v, false); err != nil || m.Reversed {
		return m, true, err
	}
	if m.Complete, err = f.complete.bool(ctx, v, false); err != nil || m.Complete {
		return m, true, err
	}
	if m.Draft, err = f.draft.bool(ctx, v, false); err != nil {
		return m, false, err
	}
	m.Difference, err = f.difference.string(ctx, v)
	return m, true, err
}

func (c *Connector) document(ctx context.Context, d document, v values) (*docklinev1.DocumentReference, error) {
	number, err := d.number.string(ctx, v)
	return &docklinev1.DocumentReference{System: c.system, Kind: d.kind, Number: number}, err
}

// Apply looks first, unless that was just done, takes the steps that are still to be taken, and reads back after each.
func (c *Connector) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	k, v, err := c.kind(p)
	if err != nil {
		return connector.Result{}, err
	}
	var found []match
	if !p.Absent {
		if found, err = c.findOne(ctx, k, p, v); err != nil {
			return connector.Result{}, err
		}
	}
	sent := false
	for _, step := range k.steps {
		if result, settled, err := k.settled(p, found); settled || err != nil {
			return result, err
		}
		stepVars := v.with(values{"found": nil})
		if len(found) > 0 {
			stepVars["found"] = found[0].item
		}
		due, err := step.when.bool(ctx, stepVars, true)
		if err != nil {
			return connector.Result{}, err
		}
		if !due {
			continue
		}
		if _, err := c.do(ctx, step.request, stepVars, traceparent(p)); err != nil {
			return connector.Result{}, err
		}
		sent = true
		if found, err = c.findOne(ctx, k, p, v); err != nil {
			return connector.Result{}, unread(err)
		}
	}
	if result, settled, err := k.settled(p, found); settled || err != nil {
		return result, err
	}
	return connector.Result{}, k.unfinished(found, sent)
}

// findOne finds, and deletes the drafts that are too many: a lost answer, or somebody else, has left them. The lowest is kept.
func (c *Connector) findOne(ctx context.Context, k *kind, p *connector.Posting, v values) ([]match, error) {
	found, err := c.find(ctx, k, p, v)
	if err != nil || k.discard == nil || len(found) < 2 {
		return found, err
	}
	all := make([]connector.Found, len(found))
	for i, m := range found {
		all[i] = m.Found
	}
	spare, ok := connector.SpareDrafts(all)
	if !ok {
		return found, nil
	}
	for _, at := range spare {
		if _, err := c.do(ctx, k.discard.request, v.with(values{"found": found[at].item}), traceparent(p), k.discard.absent...); err != nil {
			return nil, err
		}
	}
	return c.find(ctx, k, p, v)
}

// settled says whether what was found is what the posting wants, or must not be touched.
func (k *kind) settled(p *connector.Posting, found []match) (connector.Result, bool, error) {
	if len(found) == 0 {
		return connector.Result{}, false, nil
	}
	if len(found) > 1 && !found[0].Reversed {
		numbers := make([]string, len(found))
		for i, m := range found {
			numbers[i] = m.Document.GetNumber()
		}
		return connector.Result{}, false, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "duplicate_reference",
			Text: fmt.Sprintf("%s carry the same reference %s", strings.Join(numbers, ", "), p.Key), Remedy: "reverse all but one of them"}
	}
	one := found[0]
	result := connector.Result{Documents: []*docklinev1.DocumentReference{one.Document}}
	if one.Complete {
		return result, true, nil
	}
	if k.style == connector.Level && one.SourceVersion > p.SourceVersion {
		result.Newer = one.SourceVersion
		return result, true, nil
	}
	if k.style == connector.CreateOnce && !one.Draft {
		return connector.Result{}, false, k.unfinished(found, false)
	}
	return connector.Result{}, false, nil
}

// unfinished is why the steps did not lead to what the posting wants.
func (k *kind) unfinished(found []match, sent bool) *connector.Fault {
	switch {
	case len(found) > 0 && found[0].Reversed:
		return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "reversed", Text: found[0].Document.GetNumber() + " was reversed",
			Remedy: "it is posted under another reference by itself"}
	case len(found) > 0:
		return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "differs",
			Text:   strings.TrimSuffix(fmt.Sprintf("%s is not as it should be: %s", found[0].Document.GetNumber(), found[0].Difference), ": "),
			Remedy: "compare the document with the shipment; correct it by a reversal"}
	case sent:
		f := technical("not_read_back", "the system took the document and does not show it", "it will be looked for again", nil)
		f.Unknown = true
		return f
	}
	return technical("no_step", "no step of the definition applies", "correct the definition's steps for "+string(k.name), nil)
}

// unread is a fault of reading back: what was sent has its effect, or not.
func unread(err error) error {
	f, ok := err.(*connector.Fault)
	if !ok {
		return err
	}
	after := *f
	after.Unknown = true
	return &after
}

func traceparent(p *connector.Posting) string {
	if p.CorrelationID == "" {
		return ""
	}
	return event.Traceparent(p.CorrelationID, string(p.Kind)+"/"+p.Key)
}

func (v values) with(more values) values {
	all := make(values, len(v)+len(more))
	for _, from := range []values{v, more} {
		for name, value := range from {
			all[name] = value
		}
	}
	return all
}
