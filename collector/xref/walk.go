package xref

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// codeFields are the fields of documents, facts and master data that hold a code, by their names: they mean the same in every message.
var codeFields = map[protoreflect.Name]Domain{"item": Item, "original_item": Item, "substitute": Item, "unit": Unit, "customer": Customer, "carrier": Carrier,
	"site": Warehouse, "to_site": Warehouse, "receipt_site": Warehouse, "sites": Warehouse}

// reasonsOf are the messages whose reason is a code; in others it is a sentence for people.
var reasonsOf = map[protoreflect.Name]bool{"Line": true, "DocumentLine": true, "StockAdjustment": true, "GoodsReturned": true, "Return": true}

// masterDomains are the kinds of master data whose own code is in a domain.
var masterDomains = map[docklinev1.MasterKind]Domain{docklinev1.MasterKind_MASTER_KIND_ITEM: Item, docklinev1.MasterKind_MASTER_KIND_UNIT: Unit,
	docklinev1.MasterKind_MASTER_KIND_CUSTOMER: Customer, docklinev1.MasterKind_MASTER_KIND_REASON: Reason}

func domainOf(field protoreflect.FieldDescriptor) (Domain, bool) {
	if field.Kind() != protoreflect.StringKind || field.IsMap() {
		return "", false
	}
	if field.Name() == "reason" {
		return Reason, reasonsOf[field.ContainingMessage().Name()]
	}
	domain, is := codeFields[field.Name()]
	return domain, is
}

// replacement gives what stands in the place of a code.
type replacement func(domain Domain, code string) string

// each replaces every code in a message by what f gives.
func each(m proto.Message, f replacement) {
	if r, ok := m.(*docklinev1.MasterRecord); ok {
		if domain, is := masterDomains[r.GetKind()]; is && r.GetCode() != "" {
			r.Code = f(domain, r.GetCode())
		}
	}
	walk(m.ProtoReflect(), f)
}

func walk(m protoreflect.Message, f replacement) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		domain, code := domainOf(field)
		switch {
		case field.IsMap():
		case code && field.IsList():
			for list, i := value.List(), 0; i < list.Len(); i++ {
				list.Set(i, protoreflect.ValueOfString(f(domain, list.Get(i).String())))
			}
		case code:
			m.Set(field, protoreflect.ValueOfString(f(domain, value.String())))
		case field.Kind() == protoreflect.MessageKind && field.IsList():
			for list, i := value.List(), 0; i < list.Len(); i++ {
				walk(list.Get(i).Message(), f)
			}
		case field.Kind() == protoreflect.MessageKind:
			walk(value.Message(), f)
		}
		return true
	})
}

// eachListed replaces the codes of what a system lists.
func eachListed(kind connector.Kind, d *connector.Listed, f replacement) {
	set := func(domain Domain, code *string) {
		if *code != "" {
			*code = f(domain, *code)
		}
	}
	set(Warehouse, &d.Site)
	if kind == connector.CustomerRecord {
		set(Customer, &d.Number)
	}
	for i := range d.Lines {
		set(Item, &d.Lines[i].Item)
	}
	if customer := d.Fields["customer"]; customer != "" {
		d.Fields["customer"] = f(Customer, customer)
	}
}
