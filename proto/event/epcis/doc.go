// Package epcis gives business events their GS1 form: EPCIS 2.0 events in JSON-LD with the names of CBV 2.0, both ways.
//
// Out, an Exporter makes of one Dockline event one or several EPCIS events. Their standard fields say as much as EPCIS has words for; one
// extension of ours, own:event, holds the fact whole, so that nothing is lost on the way back. The eventID is the event hash of CBV 2.0
// section 8.9. In, a Reader takes a document, a list or one event apart without holding it in memory, and an Importer understands what it
// can: the rest becomes a dead letter that says where it stood and why.
package epcis
