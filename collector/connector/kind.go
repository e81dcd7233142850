package connector

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// kindOfField are the kinds that are called otherwise than their field in Document.
var kindOfField = map[protoreflect.Name]Kind{"stock_adjustment": StockAdjustment, "order_status": OrderStatus, "service_case": ServiceCase,
	"order_amendment": OrderAmendment}

// KindOf is the kind of posting that carries such a document, "" for an empty one.
func KindOf(d *docklinev1.Document) Kind {
	m := d.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("document"))
	if field == nil {
		return ""
	}
	return nameOf(field)
}

// Known says that there is such a kind of posting.
func Known(kind Kind) bool {
	fields := (&docklinev1.Document{}).ProtoReflect().Descriptor().Oneofs().ByName("document").Fields()
	for i := range fields.Len() {
		if nameOf(fields.Get(i)) == kind {
			return true
		}
	}
	return false
}

func nameOf(field protoreflect.FieldDescriptor) Kind {
	if kind, known := kindOfField[field.Name()]; known {
		return kind
	}
	return Kind(field.Name())
}
