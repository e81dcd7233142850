package event

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Record names the source's record that an event tells of, "" where a later event cannot correct it: one without a source key, or a
// stock snapshot. Kinds of one object share a record: a pick that was corrected to a short pick is one record, and an order that was
// cancelled too. A kind that follows another, as a void follows its departure, never takes its place and is a record of its own.
func Record(e *docklinev1.Event) string {
	if e.GetSourceKey() == "" || e.GetStockSnapshot() != nil {
		return ""
	}
	return fmt.Sprintf("%q %q %q %s %d", e.GetSite(), e.GetSource(), e.GetSourceKey(), RecordObject(e), e.GetOrdinal())
}

// RecordNumber is the number by which an event's record is found in tables; false where no other event can be a version of it.
func RecordNumber(e *docklinev1.Event) (int64, bool) {
	switch e.GetPayload().(type) {
	case *docklinev1.Event_DeadLetter, *docklinev1.Event_StreamGap, *docklinev1.Event_CommandResult, *docklinev1.Event_PolicyActivated,
		*docklinev1.Event_ErrorDeclaration, *docklinev1.Event_MilestoneChange, *docklinev1.Event_RecordSettlement, *docklinev1.Event_Decision:
		return 0, false // their key is the record, and a declaration is only taken back by another one
	}
	name := Record(e)
	if name == "" {
		return 0, false
	}
	sum := sha256.Sum256([]byte(e.GetTenant() + "\x00" + name))
	return int64(binary.BigEndian.Uint64(sum[:])), true
}

// RecordObject is what the records of a source key are told apart by: the object that they are about, or the kind of one that follows another.
func RecordObject(e *docklinev1.Event) string {
	object := KindName(e.GetKind())
	if !follows(e.GetKind()) {
		object, _, _ = strings.Cut(object, ".")
	}
	return object
}

// follows tells the kinds that say what happened after, or against, another fact of the same thing.
func follows(k docklinev1.EventKind) bool {
	switch k {
	case docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED, docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REFUSED,
		docklinev1.EventKind_EVENT_KIND_ORDER_HELD, docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED,
		docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED, docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED,
		docklinev1.EventKind_EVENT_KIND_PACK_REOPENED, docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, docklinev1.EventKind_EVENT_KIND_SHIPMENT_OVER_SHIPPED,
		docklinev1.EventKind_EVENT_KIND_LOAD_LOADED, docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED, docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED,
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED, docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED,
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED,
		docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY,
		docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED, docklinev1.EventKind_EVENT_KIND_RETURN_DENIED, docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED,
		docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, docklinev1.EventKind_EVENT_KIND_RETURN_DECIDED,
		docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED, docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED:
		return true
	}
	return false
}

// Elsewhere is what a key is told of an event that does not touch it while another version of the same record does: all but the payload.
func Elsewhere(e *docklinev1.Event) *docklinev1.Event {
	return &docklinev1.Event{Tenant: e.GetTenant(), Site: e.GetSite(), Source: e.GetSource(), Id: e.GetId(), Kind: e.GetKind(), Subject: e.GetSubject(),
		SourceKey: e.GetSourceKey(), SourceRevision: e.GetSourceRevision(), Ordinal: e.GetOrdinal(), OccurredAt: e.GetOccurredAt(), CorrelationId: e.GetCorrelationId(),
		DoubleOf: e.GetDoubleOf(), CausationId: e.GetCausationId(), Origin: correctionOrigin(e)}
}

// correctionPrefix begins the origin of an event that a person wrote in the place of a record that was refused.
const correctionPrefix = "correction of "

// MarkCorrection makes an event the correction of a record that was refused, by the id of its dead letter.
func MarkCorrection(e *docklinev1.Event, letter string) {
	e.CausationId, e.Origin = letter, correctionPrefix+letter
}

// IsCorrection says whether a person wrote the event in the place of a record that was refused. It stands only as long as the record's own source
// says nothing of it.
func IsCorrection(e *docklinev1.Event) bool {
	return e.GetCausationId() != "" && e.GetOrigin() == correctionPrefix+e.GetCausationId()
}

func correctionOrigin(e *docklinev1.Event) string {
	if IsCorrection(e) {
		return e.GetOrigin()
	}
	return ""
}

// IsElsewhere says whether this is what Elsewhere made.
func IsElsewhere(e *docklinev1.Event) bool { return e.GetPayload() == nil }
