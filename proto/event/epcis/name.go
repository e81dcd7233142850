package epcis

import "strings"

// Types of EPCIS events.
const (
	ObjectEvent         = "ObjectEvent"
	AggregationEvent    = "AggregationEvent"
	TransactionEvent    = "TransactionEvent"
	TransformationEvent = "TransformationEvent"
	AssociationEvent    = "AssociationEvent"
)

const (
	actionAdd     = "ADD"
	actionObserve = "OBSERVE"
	actionDelete  = "DELETE"
)

// vocabulary is one of CBV's lists: what stands before a word in its URI, in its former URN, and the words.
type vocabulary struct {
	uri, urn string
	words    map[string]bool
}

func words(uri, urn, list string) *vocabulary {
	v := &vocabulary{cbvNamespace + uri, "urn:epcglobal:cbv:" + urn, map[string]bool{}}
	for _, word := range strings.Fields(list) {
		v.words[word] = true
	}
	return v
}

// The lists of CBV 2.0, sections 7.1 to 7.5 and 7.7.
var (
	bizSteps = words("BizStep-", "bizstep:", `accepting arriving assembling collecting commissioning consigning creating_class_instance cycle_counting
		decommissioning departing destroying disassembling dispensing encoding entering_exiting holding inspecting installing killing loading other packing
		picking receiving removing repackaging repairing replacing reserving retail_selling sampling sensor_reporting shipping staging_outbound stock_taking
		stocking storing transporting unloading unpacking void_shipping`)
	dispositions = words("Disp-", "disp:", `active available completeness_inferred completeness_verified conformant container_closed container_open damaged
		destroyed dispensed disposed encoded expired in_progress in_transit inactive mismatch_class mismatch_instance mismatch_quantity needs_replacement
		no_pedigree_match non_conformant non_sellable_other partially_dispensed recalled reserved retail_sold returned sellable_accessible
		sellable_not_accessible stolen unavailable unknown`)
	transactionTypes = words("BTT-", "btt:", `bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt`)
	partyTypes       = words("SDT-", "sdt:", `location owning_party possessing_party`)
	errorReasons     = words("ER-", "er:", `did_not_occur incorrect_data`)
	components       = words("Comp-", "comp:", `altitude axial_distance azimuth easting elevation_angle height latitude longitude northing polar_angle
		spherical_radius x y z`)
)

// expand writes a word as its URI; what is a URI already stays.
func (v *vocabulary) expand(word string) string {
	if v.words[word] {
		return v.uri + word
	}
	if rest, ok := strings.CutPrefix(word, v.urn); ok {
		return v.uri + rest
	}
	return word
}

// word is the bare word of a URI of this list; a URI of another list stays.
func (v *vocabulary) word(uri string) string {
	if rest, ok := strings.CutPrefix(v.expand(uri), v.uri); ok {
		return rest
	}
	return uri
}
