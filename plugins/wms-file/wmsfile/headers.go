package wmsfile

import (
	"strings"
	"unicode"
)

// synonyms are headers that exports use for a field, in English, German, French and Dutch, without accents, blanks and signs. The
// first of them that a header is equal to wins; a mapping proposed from them is for a person to look at.
var synonyms = map[string][]string{
	"order":         {"order", "orderno", "ordernumber", "ordernr", "orderid", "so", "sono", "salesorder", "auftrag", "auftragsnr", "auftragsnummer", "auftragnr", "bestellung", "bestellnr", "bestellnummer", "belegnr", "commande", "nocommande", "numcommande", "numerocommande", "ncommande", "bestelling", "bestelnummer", "ordernummer", "invoiceno", "invoice"},
	"order_line":    {"line", "lineno", "linenumber", "orderline", "orderlineno", "lineid", "pos", "position", "positionsnr", "auftragsposition", "poste", "ligne", "noligne", "numligne", "nligne", "lignecommande", "regel", "regelnummer", "orderregel"},
	"item":          {"item", "itemno", "itemnumber", "itemcode", "itemid", "sku", "article", "articleno", "product", "productcode", "productid", "material", "materialnr", "partno", "stockcode", "artikel", "artikelnr", "artikelnummer", "artnr", "reference", "ref", "codearticle", "refarticle", "produit", "artikelcode"},
	"gtin":          {"gtin", "ean", "ean13", "upc", "barcode"},
	"quantity":      {"qty", "quantity", "pickedqty", "qtypicked", "shippedqty", "qtyshipped", "countedqty", "qtycounted", "packedqty", "menge", "anzahl", "stueck", "istmenge", "gezaehltemenge", "zaehlmenge", "quantite", "qte", "qtepreparee", "qtecomptee", "hoeveelheid", "aantal", "hvh"},
	"ordered":       {"orderedqty", "qtyordered", "requestedqty", "sollmenge", "bestellmenge", "qtecommandee", "quantitecommandee", "besteldaantal", "aantalbesteld"},
	"short":         {"shortqty", "short", "qtyshort", "missingqty", "fehlmenge", "qtemanquante", "manquant", "tekort"},
	"unit":          {"uom", "unit", "unitofmeasure", "einheit", "me", "mengeneinheit", "unite", "um", "eenheid"},
	"lot":           {"lot", "lotno", "lotnumber", "batch", "batchno", "charge", "chargennr", "chargennummer", "nolot", "numlot", "partij", "partijnummer"},
	"serials":       {"serial", "serials", "serialno", "serialnumber", "seriennr", "seriennummer", "numeroserie", "numserie", "serienummer"},
	"handling_unit": {"lpn", "sscc", "handlingunit", "hu", "carton", "cartonno", "pallet", "lhm", "nve", "palette", "karton", "colis", "colli", "doos"},
	"bin":           {"bin", "frombin", "location", "fromlocation", "binlocation", "loc", "lagerplatz", "platz", "vonplatz", "fach", "emplacement", "empl", "locatie", "vanlocatie"},
	"to_bin":        {"tobin", "tolocation", "nachplatz", "zielplatz", "versemplacement", "naarlocatie"},
	"reason":        {"reason", "reasoncode", "grund", "grundcode", "motif", "raison", "reden"},
	"task":          {"pickid", "pickno", "task", "taskid", "taskno", "pick", "pickauftrag", "picknr", "picknummer", "kommissionierauftrag", "tache", "mission", "taak", "packid", "packno"},
	"shipment":      {"shipment", "shipmentno", "shipmentid", "shipno", "shipid", "delivery", "deliveryno", "despatch", "lieferung", "liefernr", "lieferschein", "lieferscheinnr", "lieferscheinnummer", "sendung", "sendungsnr", "expedition", "noexpedition", "livraison", "bonlivraison", "zending", "zendingnummer", "levering", "pakbon"},
	"carrier":       {"carrier", "scac", "shipper", "spediteur", "frachtfuehrer", "versender", "versandart", "transporteur", "vervoerder"},
	"service":       {"service", "servicelevel", "servicecode", "serviceart"},
	"tracking":      {"tracking", "trackingno", "trackingnumber", "trackingnr", "paketnr", "paketnummer", "sendungsverfolgung", "nosuivi", "suivi", "numsuivi", "tracktrace", "trackencode"},
	"weight_kg":     {"weightkg", "weight", "grossweight", "gewicht", "gewichtkg", "bruttogewicht", "poids", "poidskg", "brutogewicht"},
	"count":         {"count", "countno", "countid", "countnumber", "cyclecount", "zaehlung", "zaehlnr", "zaehlnummer", "inventur", "inventurnr", "inventurbeleg", "comptage", "inventaire", "noinventaire", "telling", "tellingnr", "tellijst"},
	"movement":      {"movement", "movementno", "movementid", "transaction", "transactionid", "bewegung", "bewegungsnr", "buchungsnr", "mouvement", "nomouvement", "mutatie", "mutatienummer"},
	"actor":         {"operator", "user", "userid", "picker", "packer", "bediener", "benutzer", "mitarbeiter", "operateur", "utilisateur", "preparateur", "gebruiker", "medewerker"},
	"occurred_at": {"date", "datetime", "timestamp", "time", "pickedat", "packedat", "shippedat", "countedat", "pickdate", "shipdate", "countdate", "datum", "datumzeit", "zeitpunkt", "zeitstempel", "kommissioniertam",
		"versandtam", "gezaehltam", "versanddatum", "buchungsdatum", "zaehldatum", "dateheure", "horodatage", "datecomptage", "dateexpedition", "datepreparation", "tijdstip", "datumtijd", "invoicedate", "orderdate"},
	"customer": {"customer", "customerid", "customerno", "kunde", "kundennr", "kundennummer", "client", "noclient", "codeclient", "klant", "klantnummer"},
}

// clock are headers of a time that stands in a column of its own behind the date.
var clock = []string{"time", "uhrzeit", "zeit", "heure", "tijd", "hour"}

// bare is a header without case, accents, blanks and signs.
func bare(header string) string {
	header = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "é", "e", "è", "e", "ê", "e", "à", "a", "â", "a", "ç", "c", "ô", "o", "î", "i", "ï", "i", "ë", "e", "n°", "no", "nº", "no").
		Replace(strings.ToLower(header))
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, header)
}
