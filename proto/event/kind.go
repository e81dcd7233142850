// Package event gives business events their meaning: the names of kinds, ids, validation, quantities and fold keys.
package event

import (
	"maps"
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const kindPrefix = "EVENT_KIND_"

// longObjects are the objects whose own name has two words; of all others the name ends at the first underscore.
var longObjects = []string{"credit_memo"}

var kindNames, kindsByName = nameKinds()

func nameKinds() (map[docklinev1.EventKind]string, map[string]docklinev1.EventKind) {
	names := make(map[docklinev1.EventKind]string)
	kinds := make(map[string]docklinev1.EventKind)
	for number, enumName := range docklinev1.EventKind_name {
		if number == 0 {
			continue
		}
		name := kindName(enumName)
		names[docklinev1.EventKind(number)] = name
		kinds[name] = docklinev1.EventKind(number)
	}
	return names, kinds
}

func kindName(enumName string) string {
	name := strings.ToLower(strings.TrimPrefix(enumName, kindPrefix))
	for _, object := range longObjects {
		if verb, ok := strings.CutPrefix(name, object+"_"); ok {
			return object + "." + verb
		}
	}
	return strings.Replace(name, "_", ".", 1)
}

// KindName is the business name of a kind, "pick.confirmed"; empty for one that this version does not know.
func KindName(k docklinev1.EventKind) string { return kindNames[k] }

// ParseKind finds the kind that has this business name.
func ParseKind(name string) (docklinev1.EventKind, bool) {
	k, ok := kindsByName[name]
	return k, ok
}

// Kinds is every kind, in order of its number.
func Kinds() []docklinev1.EventKind { return slices.Sorted(maps.Keys(kindNames)) }

// stockMoving are the kinds that change what lies where at a site, or of which status it is.
var stockMoving = map[docklinev1.EventKind]bool{
	docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED: true, docklinev1.EventKind_EVENT_KIND_PICK_SHORT: true, docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED: true,
	// A shipment takes what nobody reported picked; one that is taken back brings it.
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED: true, docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED: true,
	docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED: true, docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED: true, docklinev1.EventKind_EVENT_KIND_STOCK_MOVED: true,
	docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED: true, docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED: true, docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED: true,
	docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED: true, docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED: true, docklinev1.EventKind_EVENT_KIND_KIT_BUILT: true,
	docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED: true, docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED: true, docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED: true,
}

// MovesStock says whether a count must wait for events of this kind.
func MovesStock(k docklinev1.EventKind) bool { return stockMoving[k] }
