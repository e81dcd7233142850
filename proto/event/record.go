package event

import (
	"fmt"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Record names the source's record that an event tells of, "" where a later event cannot correct it: one without a source key, or a
// stock snapshot. Kinds of one object share a record: a pick that was corrected to a short pick is one record, and an order that was
// cancelled too.
func Record(e *docklinev1.Event) string {
	if e.GetSourceKey() == "" || e.GetStockSnapshot() != nil {
		return ""
	}
	object, _, _ := strings.Cut(KindName(e.GetKind()), ".")
	return fmt.Sprintf("%q %q %q %s %d", e.GetSite(), e.GetSource(), e.GetSourceKey(), object, e.GetOrdinal())
}

// Elsewhere is what a key is told of an event that does not touch it while another version of the same record does: all but the payload.
func Elsewhere(e *docklinev1.Event) *docklinev1.Event {
	return &docklinev1.Event{Tenant: e.GetTenant(), Site: e.GetSite(), Source: e.GetSource(), Id: e.GetId(), Kind: e.GetKind(), Subject: e.GetSubject(),
		SourceKey: e.GetSourceKey(), SourceRevision: e.GetSourceRevision(), Ordinal: e.GetOrdinal(), OccurredAt: e.GetOccurredAt(), CorrelationId: e.GetCorrelationId(),
		DoubleOf: e.GetDoubleOf()}
}

// IsElsewhere says whether this is what Elsewhere made.
func IsElsewhere(e *docklinev1.Event) bool { return e.GetPayload() == nil }
