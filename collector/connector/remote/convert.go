package remote

import (
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The Go of the contract and its messages, each there and back.

var styles = map[connector.Style]connectorv1.Style{connector.Level: connectorv1.Style_STYLE_LEVEL, connector.CreateOnce: connectorv1.Style_STYLE_CREATE_ONCE,
	connector.Advance: connectorv1.Style_STYLE_ADVANCE}

func styleOf(s connectorv1.Style) (connector.Style, bool) {
	for style, told := range styles {
		if told == s {
			return style, true
		}
	}
	return "", false
}

func toPosting(p *connector.Posting) *connectorv1.Posting {
	return &connectorv1.Posting{Tenant: p.Tenant, Kind: string(p.Kind), Key: p.Key, SourceVersion: p.SourceVersion, Document: p.Document, CorrelationId: p.CorrelationID,
		PostingDate: p.PostingDate, References: p.References, Names: p.Names, Needs: p.Needs, Absent: p.Absent}
}

func fromPosting(p *connectorv1.Posting) *connector.Posting {
	return &connector.Posting{Tenant: p.GetTenant(), Kind: connector.Kind(p.GetKind()), Key: p.GetKey(), SourceVersion: p.GetSourceVersion(), Document: p.GetDocument(),
		CorrelationID: p.GetCorrelationId(), PostingDate: p.GetPostingDate(), References: p.GetReferences(), Names: p.GetNames(), Needs: p.GetNeeds(), Absent: p.GetAbsent()}
}

func toFound(found []connector.Found) []*connectorv1.Found {
	out := make([]*connectorv1.Found, len(found))
	for i, f := range found {
		out[i] = &connectorv1.Found{Document: f.Document, Complete: f.Complete, Draft: f.Draft, Reversed: f.Reversed, SourceVersion: f.SourceVersion, Difference: f.Difference}
	}
	return out
}

func fromFound(found []*connectorv1.Found) []connector.Found {
	out := make([]connector.Found, len(found))
	for i, f := range found {
		out[i] = connector.Found{Document: f.GetDocument(), Complete: f.GetComplete(), Draft: f.GetDraft(), Reversed: f.GetReversed(), SourceVersion: f.GetSourceVersion(), Difference: f.GetDifference()}
	}
	return out
}

func toListing(l connector.Listing) *connectorv1.Listing {
	return &connectorv1.Listing{Kind: string(l.Kind), Site: l.Site, Since: stamp(l.Since), Page: l.Page}
}

func fromListing(l *connectorv1.Listing) connector.Listing {
	return connector.Listing{Kind: connector.Kind(l.GetKind()), Site: l.GetSite(), Since: moment(l.GetSince()), Page: l.GetPage()}
}

func toListed(d connector.Listed) *connectorv1.Listed {
	out := &connectorv1.Listed{Reference: d.Reference, Number: d.Number, Order: d.Order, Site: d.Site, At: stamp(d.At), Draft: d.Draft, Reversed: d.Reversed,
		Version: d.Version, Fields: d.Fields, Whole: d.Whole}
	for _, l := range d.Lines {
		out.Lines = append(out.Lines, &connectorv1.ListedLine{OrderLine: l.OrderLine, Item: l.Item, Lot: l.Lot, Quantity: l.Quantity})
	}
	return out
}

func fromListed(d *connectorv1.Listed) connector.Listed {
	out := connector.Listed{Reference: d.GetReference(), Number: d.GetNumber(), Order: d.GetOrder(), Site: d.GetSite(), At: moment(d.GetAt()), Draft: d.GetDraft(),
		Reversed: d.GetReversed(), Version: d.GetVersion(), Fields: d.GetFields(), Whole: d.GetWhole()}
	for _, l := range d.GetLines() {
		out.Lines = append(out.Lines, connector.Line{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Lot: l.GetLot(), Quantity: l.GetQuantity()})
	}
	return out
}

func toRefused(refused []connector.RefusedRecord) []*connectorv1.RefusedRecord {
	var out []*connectorv1.RefusedRecord
	for _, r := range refused {
		out = append(out, &connectorv1.RefusedRecord{Code: r.Code, Reason: r.Reason, Raw: r.Raw})
	}
	return out
}

func fromRefused(refused []*connectorv1.RefusedRecord) []connector.RefusedRecord {
	var out []connector.RefusedRecord
	for _, r := range refused {
		out = append(out, connector.RefusedRecord{Code: r.GetCode(), Reason: r.GetReason(), Raw: r.GetRaw()})
	}
	return out
}

func toExchange(ex connector.Exchange) *connectorv1.Exchange {
	return &connectorv1.Exchange{Purpose: ex.Purpose, Method: ex.Method, Url: ex.URL, Headers: ex.Headers, Body: ex.Body, Status: int32(ex.Status),
		AnswerHeaders: ex.AnswerHeaders, Answer: ex.Answer, Error: ex.Error, Took: durationpb.New(ex.Took)}
}

func fromExchange(ex *connectorv1.Exchange) connector.Exchange {
	return connector.Exchange{Purpose: ex.GetPurpose(), Method: ex.GetMethod(), URL: ex.GetUrl(), Headers: ex.GetHeaders(), Body: ex.GetBody(), Status: int(ex.GetStatus()),
		AnswerHeaders: ex.GetAnswerHeaders(), Answer: ex.GetAnswer(), Error: ex.GetError(), Took: ex.GetTook().AsDuration()}
}

// toFault is an error of a connector; nil is none. What is not a Fault is technical, and of a call with an effect unknown.
func toFault(err error, effect bool) *connectorv1.Fault {
	if err == nil {
		return nil
	}
	f, ok := errors.AsType[*connector.Fault](err)
	if !ok {
		f = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "connector_error", Text: "no answer that can be used", Unknown: effect, Err: err}
	}
	out := &connectorv1.Fault{Class: f.Class, Code: f.Code, Text: f.Text, Remedy: f.Remedy, Unknown: f.Unknown, Unasked: f.Unasked, OpenFrom: f.OpenFrom,
		Forgotten: errors.Is(err, connector.ErrForgotten)}
	if f.RetryAfter > 0 {
		out.RetryAfter = durationpb.New(f.RetryAfter)
	}
	if f.Err != nil {
		out.Cause = f.Err.Error()
	}
	return out
}

// fromFault is what a program said went wrong. One that lacks a class is technical, and of a call with an effect unknown.
func fromFault(f *connectorv1.Fault, effect bool) *connector.Fault {
	out := &connector.Fault{Class: f.GetClass(), Code: f.GetCode(), Text: f.GetText(), Remedy: f.GetRemedy(), Unknown: f.GetUnknown(), Unasked: f.GetUnasked(),
		RetryAfter: max(0, f.GetRetryAfter().AsDuration()), OpenFrom: f.GetOpenFrom()}
	if docklinev1.FaultClass_name[int32(out.Class)] == "" || out.Class == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
		out.Class, out.Unknown = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, out.Unknown || effect && !out.Unasked
	}
	if out.Code == "" {
		out.Code = "connector_error"
	}
	if out.Text == "" {
		out.Text = "the program gives no reason"
	}
	if f.GetCause() != "" || f.GetForgotten() {
		out.Err = &cause{f.GetCause(), f.GetForgotten()}
	}
	return out
}

// cause is the error beneath a fault, in the words of the program.
type cause struct {
	text      string
	forgotten bool
}

func (c *cause) Error() string {
	if c.text == "" {
		return connector.ErrForgotten.Error()
	}
	return c.text
}

// Is tells a cursor that is no longer known from other errors.
func (c *cause) Is(target error) bool { return c.forgotten && target == connector.ErrForgotten }

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
