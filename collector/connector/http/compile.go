package http

import (
	"fmt"
	"maps"
	nethttp "net/http"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// documentOf is the variable that holds the document of a kind, by its field in docklinev1.Document.
var documentOf = map[connector.Kind]struct {
	variable string
	message  proto.Message
}{
	connector.GoodsIssue:      {"posting.goods_issue", &docklinev1.GoodsIssue{}},
	connector.InvoiceTrigger:  {"posting.invoice_trigger", &docklinev1.InvoiceTrigger{}},
	connector.StockAdjustment: {"posting.stock_adjustment", &docklinev1.StockAdjustment{}},
	connector.OrderStatus:     {"posting.order_status", &docklinev1.OrderStatus{}},
	connector.ServiceCase:     {"posting.service_case", &docklinev1.ServiceCase{}},
	connector.OrderAmendment:  {"posting.order_amendment", &docklinev1.OrderAmendment{}},
	connector.OrderCreate:     {"posting.order_create", &docklinev1.Order{}},

	connector.GoodsIssueReversal: {"posting.goods_issue_reversal", &docklinev1.Reversal{}},
	connector.InvoiceReversal:    {"posting.invoice_reversal", &docklinev1.Reversal{}},
	connector.ReturnReceipt:      {"posting.return_receipt", &docklinev1.GoodsReturned{}},
	connector.CreditRequest:      {"posting.credit_request", &docklinev1.GoodsReturned{}},

	connector.ReturnReceiptReversal: {"posting.return_receipt_reversal", &docklinev1.Reversal{}},
	connector.CreditReversal:        {"posting.credit_reversal", &docklinev1.Reversal{}},
}

// centreKinds are the kinds that a system at the centre may report: what names its order, shipment or return without the site that tells it.
// Which system may tell which is for the policy's ownership to say. A book has a section of its own.
var centreKinds = []docklinev1.EventKind{
	docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED, docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED, docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED,
	docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED, docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED, docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED,
	docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED, docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REFUSED, docklinev1.EventKind_EVENT_KIND_ORDER_HELD,
	docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED, docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED, docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED,
	docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED, docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED, docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED,
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED,
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED, docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED,
	docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED, docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED,
	docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED, docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED, docklinev1.EventKind_EVENT_KIND_RETURN_DENIED,
	docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED, docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED,
}

// payloadOf is the message that an event of such a kind carries, nil for any other kind.
func payloadOf(kind docklinev1.EventKind) proto.Message {
	if !slices.Contains(centreKinds, kind) {
		return nil
	}
	e := (&docklinev1.Event{}).ProtoReflect()
	return e.NewField(e.Descriptor().Fields().ByName(protoreflect.Name(event.RequirementOf(kind).Payload))).Message().Interface()
}

func objectType(m proto.Message) *cel.Type {
	return cel.ObjectType(string(m.ProtoReflect().Descriptor().FullName()))
}

var (
	bodyVars   = variables{"body": cel.DynType, "headers": textMap}
	itemVars   = variables{"body": cel.DynType, "headers": textMap, "item": cel.DynType}
	answerVars = variables{"status": cel.IntType, "body": cel.DynType, "headers": textMap, "method": cel.StringType}
)

func postingVars(k connector.Kind) variables {
	doc := documentOf[k]
	return variables{
		"posting.tenant": cel.StringType, "posting.key": cel.StringType, "posting.source_version": cel.IntType,
		"posting.correlation_id": cel.StringType, "posting.posting_date": cel.StringType,
		"posting.references": cel.MapType(cel.StringType, cel.StringType), "posting.names": cel.MapType(cel.StringType, cel.StringType), "posting.needs": cel.ListType(objectType(&docklinev1.DocumentReference{})),
		doc.variable: objectType(doc.message),
	}
}

func (c *compiler) definition(s *source) *Definition {
	d := &Definition{System: s.System, Title: s.Title, timeout: s.Timeout, settle: s.SettleTime, rate: s.Rate, kinds: map[connector.Kind]*kind{}}
	if s.System == "" {
		c.fault("system", "is missing: it names the system in document references")
	}
	if d.timeout == 0 {
		d.timeout = 10 * time.Second
	}
	if s.Rate.PerSecond < 0 || s.Rate.Burst < 0 {
		c.fault("rate", "must not be negative")
	}
	if s.Probe.Request.Path == "" {
		c.fault("probe.path", "is missing: it tells whether the system answers")
	}
	d.auth, d.failed = c.auth(s.Auth), c.expression("failed", s.Failed, cel.BoolType, answerVars)
	d.probe = probe{
		request: c.request("probe", s.Probe.Request, nil, nethttp.MethodGet),
		expect:  c.expression("probe.expect", s.Probe.Expect, cel.BoolType, bodyVars),
		version: c.expression("probe.version", s.Probe.Version, cel.StringType, bodyVars),
	}
	d.shape = c.shape(s.Shape)
	for i, e := range s.Errors {
		d.errors = append(d.errors, c.errorRule(fmt.Sprintf("errors[%d]", i), e))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Kinds)) {
		if k := connector.Kind(name); documentOf[k].message == nil {
			c.fault("kinds."+name, "is no kind of posting")
		} else {
			d.kinds[k] = c.kind("kinds."+name, k, s.Kinds[name])
		}
	}
	if s.Changes != nil {
		d.changes = c.changes(s.Changes)
	}
	if s.Snapshot != nil {
		d.snapshot = c.snapshot(s.Snapshot)
	}
	c.masterData(d, s)
	c.records(d, s)
	return d
}

// listRequest is a request whose answer may come in pages.
func (c *compiler) listRequest(key string, s requestSource, vars variables) *request {
	if s.Pages != nil {
		vars = vars.with(variables{"page": cel.StringType})
	}
	pages := c.pages(key+".pages", s.Pages)
	s.Pages = nil
	r := c.request(key, s, vars, nethttp.MethodGet)
	r.pages = pages
	return r
}

func (c *compiler) request(key string, s requestSource, vars variables, method string) *request {
	if s.Pages != nil {
		c.fault(key+".pages", "is not for this request: what is found, listed as sites or as stock comes in pages")
	}
	if s.Method == "" {
		s.Method = method
	}
	switch s.Method {
	case nethttp.MethodGet, nethttp.MethodPost, nethttp.MethodPut, nethttp.MethodPatch, nethttp.MethodDelete:
	default:
		c.fault(key+".method", "%q is no method; write GET, POST, PUT, PATCH or DELETE", s.Method)
	}
	if s.Body != "" && s.Form != "" {
		c.fault(key+".form", "excludes body: one is sent")
	}
	if (s.Body != "" || s.Form != "") && s.Method == nethttp.MethodGet {
		c.fault(key+".method", "GET carries no body; write POST")
	}
	vars = vars.with(variables{"session": textMap})
	return &request{method: s.Method, effect: method != nethttp.MethodGet && s.Method != nethttp.MethodGet, path: c.required(key+".path", s.Path, cel.StringType, vars),
		query: c.expression(key+".query", s.Query, textMap, vars), headers: c.expression(key+".headers", s.Headers, textMap, vars),
		body: c.expression(key+".body", s.Body, jsonMap, vars), form: c.expression(key+".form", s.Form, textMap, vars)}
}

func (c *compiler) errorRule(key string, s errorSource) errorRule {
	class := docklinev1.FaultClass(docklinev1.FaultClass_value["FAULT_CLASS_"+strings.ToUpper(s.Class)])
	if class == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
		c.fault(key+".class", "%q is no class; write technical, data or process", s.Class)
	}
	if s.Code == "" || s.Remedy == "" {
		c.fault(key, "code and remedy are needed: a person reads them")
	}
	if len(s.Status) == 0 && s.When == "" {
		c.fault(key, "neither status nor when: it would match everything")
	}
	return errorRule{status: s.Status, when: c.expression(key+".when", s.When, cel.BoolType, answerVars), class: class, code: s.Code,
		text: c.expression(key+".text", s.Text, cel.StringType, answerVars), remedy: s.Remedy, unknown: s.Unknown,
		openFrom:   c.expression(key+".open_from", s.OpenFrom, cel.StringType, answerVars),
		retryAfter: c.expression(key+".retry_after", s.RetryAfter, cel.IntType, answerVars)}
}

func (c *compiler) kind(key string, name connector.Kind, s kindSource) *kind {
	k := &kind{name: name, style: connector.Style(s.Style), variable: documentOf[name].variable}
	switch k.style {
	case connector.Level, connector.CreateOnce, connector.Advance:
	default:
		c.fault(key+".style", "%q is no style; write level, create-once or advance", s.Style)
	}
	for i, each := range s.Names {
		if system, of, ok := strings.Cut(each, "/"); !ok || system == "" || of == "" {
			c.fault(fmt.Sprintf("%s.names[%d]", key, i), "%q: write a role, or customer, and the kind of name: crm/quote, customer/order", each)
		}
	}
	k.names = s.Names
	vars := postingVars(name)
	item := vars.with(itemVars)
	find := key + ".find"
	k.find = finder{
		request: c.listRequest(find, s.Find.Request, vars), absent: s.Find.Absent,
		items:    c.required(find+".items", s.Find.Items, anyList, vars.with(bodyVars)),
		match:    c.expression(find+".match", s.Find.Match, cel.BoolType, item),
		document: c.document(find+".document", s.Find.Document, item),
		version:  c.expression(find+".version", s.Find.Version, cel.IntType, item),
		complete: c.required(find+".complete", s.Find.Complete, cel.BoolType, item),
		reversed: c.expression(find+".reversed", s.Find.Reversed, cel.BoolType, item),
		draft:    c.expression(find+".draft", s.Find.Draft, cel.BoolType, item), difference: c.expression(find+".difference", s.Find.Difference, cel.StringType, item),
	}
	if k.style == connector.Level && s.Find.Version == "" {
		c.fault(find+".version", "is missing: with style level the newest version wins")
	}
	if len(s.Apply) == 0 {
		c.fault(key+".apply", "has no step")
	}
	applyVars := vars.with(variables{"found": cel.DynType})
	for i, step := range s.Apply {
		at := fmt.Sprintf("%s.apply[%d]", key, i)
		k.steps = append(k.steps, applyStep{when: c.expression(at+".when", step.When, cel.BoolType, applyVars),
			request: c.request(at, step.Request, applyVars, nethttp.MethodPost)})
	}
	if s.List != nil {
		k.list = c.list(key+".list", s.List)
	}
	if s.Discard != nil {
		if s.Find.Draft == "" {
			c.fault(key+".discard", "deletes drafts, and find.draft does not say which are")
		}
		k.discard = &discard{request: c.request(key+".discard", s.Discard.Request, applyVars, nethttp.MethodDelete), absent: s.Discard.Absent}
	}
	return k
}

func (c *compiler) document(key string, s documentSource, vars variables) document {
	if s.Kind == "" {
		c.fault(key+".kind", "is missing: it says what the document is called in the system")
	}
	return document{kind: s.Kind, number: c.required(key+".number", s.Number, cel.StringType, vars)}
}

func (c *compiler) changes(s *changesSource) *changes {
	asked := variables{"cursor": cel.StringType}
	if s.Clock != nil {
		asked = variables{"since": cel.TimestampType, "after": cel.StringType}
	}
	ch := &changes{request: c.request("changes", s.Request, asked, nethttp.MethodGet),
		items:      c.required("changes.items", s.Items, anyList, bodyVars),
		occurredAt: c.required("changes.occurred_at", s.OccurredAt, cel.TimestampType, itemVars)}
	if s.Clock != nil {
		if s.Next != "" || s.More != "" {
			c.fault("changes.clock", "excludes next and more: where to go on follows from the records")
		}
		ch.clock = c.clock("changes.clock", s.Clock)
	} else {
		ch.next, ch.more = c.required("changes.next", s.Next, cel.StringType, bodyVars), c.expression("changes.more", s.More, cel.BoolType, bodyVars)
	}
	if len(s.Events) == 0 {
		c.fault("changes.events", "has no event")
	}
	for i, e := range s.Events {
		ch.events = append(ch.events, c.eventRule(fmt.Sprintf("changes.events[%d]", i), e))
	}
	return ch
}

func (c *compiler) eventRule(key string, s eventSource) eventRule {
	kind, known := event.ParseKind(s.Kind)
	payload := payloadOf(kind)
	switch {
	case !known:
		c.fault(key+".kind", "%q is no kind; docs/events.md lists them", s.Kind)
		return eventRule{}
	case payload == nil:
		c.fault(key+".kind", "%q is no kind that a system at the centre reports: it comes from a site or from Dockline itself", s.Kind)
		return eventRule{}
	}
	rule := eventRule{kind: kind, when: c.required(key+".when", s.When, cel.BoolType, itemVars),
		subject: c.required(key+".subject", s.Subject, cel.StringType, itemVars), key: c.required(key+".key", s.Key, cel.StringType, itemVars),
		revision: c.required(key+".revision", s.Revision, cel.StringType, itemVars),
		payload:  c.required(key+".payload", s.Payload, objectType(payload), itemVars)}
	if s.Document != (documentSource{}) {
		doc := c.document(key+".document", s.Document, itemVars)
		rule.document = &doc
	}
	return rule
}

func (c *compiler) snapshot(s *snapshotSource) *snapshot {
	siteVars := variables{"site": cel.StringType}
	told := siteVars.with(bodyVars).with(variables{"time": cel.TimestampType})
	return &snapshot{
		sites:      c.listRequest("snapshot.sites", s.Sites.Request, nil),
		siteItems:  c.required("snapshot.sites.items", s.Sites.Items, anyList, bodyVars),
		site:       c.required("snapshot.sites.site", s.Sites.Site, cel.StringType, itemVars),
		stock:      c.listRequest("snapshot.stock", s.Stock.Request, siteVars),
		absent:     s.Stock.Absent,
		stockItems: c.required("snapshot.stock.items", s.Stock.Items, anyList, siteVars.with(bodyVars)),
		line:       c.required("snapshot.stock.line", s.Stock.Line, objectType(&docklinev1.Line{}), siteVars.with(itemVars)),
		occurredAt: c.required("snapshot.stock.occurred_at", s.Stock.OccurredAt, cel.TimestampType, told),
		revision:   c.expression("snapshot.stock.revision", s.Stock.Revision, cel.StringType, told),
	}
}
