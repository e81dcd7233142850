package gs1

import (
	"fmt"
	"strings"
	"sync"
)

// table is what GS1 General Specifications section 3 says of each application identifier, a line each:
//
//	AI or range | flags | components | needs | forbids | key | what it is
//
// Flags: f, the length is fixed and no separator follows (figure 7.8.5-2); q, it may stand in the query of a Digital Link. A component is a
// set of characters (n digits, x set 82, y set 39, z base64url), a length (..20 is 1 to 20) and the rules for it; one with ? may be left
// out. Needs are the AIs of which one must be on the same goods, a+b both; 31nn is every AI of that shape. Key: it may be the key of a Digital
// Link, with the qualifiers in their order.
const table = `
00|fq|n18/digit|||-|SSCC
01|fq|n14/digit||255,37|22,10,21;235|GTIN
02|fq|n14/digit|37|01,03||GTIN of contained goods
03|f|n14/digit||01,02,37,235||GTIN of goods made to order
10|q|x..20|goods|||lot
11|fq|n6/day0|goods|||production date
12|fq|n6/day0|8020|||due date
13|fq|n6/day0|goods|||packaging date
15|fq|n6/day0|goods|||best-before date
16|fq|n6/day0|goods|||sell-by date
17|fq|n6/day0|goods,255|||expiry date
20|fq|n2|goods|||variant
21||x..20|01,03,8006|235||serial number
22||x..20|01|||consumer product variant
235||x..28|01|||third party's serial number
240|q|x..30|goods|||additional item number
241|q|x..30|goods|||customer's item number
242|q|n..6|01,02,8006,8026|||made-to-order variant
243|q|x..20|01,03|||packaging component
250|q|x..30|01+21,03+21,8006+21|||secondary serial number
251|q|x..30|01,03,8006|||reference to the source
253|q|n13/digit ?x..17|||-|document type identifier
254||x..20|414|||extension of a location
255|q|n13/digit ?n..12||01,02,415,8006,8020,8026|-|coupon number
30|q|n..8|item|||variable count
310-316|fq|n6|item|self||measure of goods
320-329|fq|n6|item|self||measure of goods
330-336|fq|n6|log|self||logistic measure
337|fq|n6|01|self||kilograms a square metre
340-349|fq|n6|log|self||logistic measure
350-352|fq|n6|item|self||area of goods
353-355|fq|n6|log|self||logistic area
356-357|fq|n6|item|self||measure of goods
360-361|fq|n6|item|self||volume of goods
362-363|fq|n6|log|self||logistic volume
364-366|fq|n6|item|self||volume of goods
367-369|fq|n6|log|self||logistic volume
37|q|n..8|00+02,00+8026|||count of contained goods
3900-3909|q|n..15|255,8020|390n,391n,394n,8111||amount
3910-3919|q|n3/currency n..15|8020|391n||amount with its currency
3920-3929|q|n..15|01+30,01+31nn,01+32nn,01+35nn,01+36nn|392n,393n||price
3930-3939|q|n3/currency n..15|30,31nn,32nn,35nn,36nn|393n||price with its currency
3940-3943|q|n4|255|394n,8111||percentage off
3950-3955|q|n6|30,31nn,32nn,35nn,36nn|392n,393n,395n,8005||price of a unit
400|q|x..30||||customer's order number
401|q|x..30|||-|consignment number
402|q|n17/digit|||-|shipment number
403|q|x..30|00|||routing code
410-413|fq|n13/digit||||location number
414|fq|n13/digit|||254;7040|location number
415|fq|n13/digit|8020||8020|location number of the invoicing party
416|fq|n13/digit||||location of production
417|fq|n13/digit|||7040|location number of a party
420|q|x..20||421||ship-to postal code
421|q|n3/country x..9||4307||ship-to postal code with its country
422|q|n3/country|goods|426||country of origin
423|q|n3/country ?n3/country ?n3/country ?n3/country ?n3/country|item3|426||countries of initial processing
424|q|n3/country|item3|426||country of processing
425|q|n3/country ?n3/country ?n3/country ?n3/country ?n3/country|item3|426||countries of disassembly
426|q|n3/country|item3|||country of the full process
427|q|x..3|01+422,02+422,03+422|||subdivision of origin
4300-4301|q|x..35/percent|00|||ship-to name
4302|q|x..70/percent|00|||ship-to address
4303|q|x..70/percent|4302|||ship-to address, second line
4304-4306|q|x..70/percent|00|||ship-to place
4307|q|x2/land|00|||ship-to country
4308|q|x..30|00|||ship-to telephone
4309|q|n10/latitude n10/longitude|00|||ship-to position
4310-4311|q|x..35/percent|00|||return-to name
4312|q|x..70/percent|00|||return-to address
4313|q|x..70/percent|4312|||return-to address, second line
4314-4316|q|x..70/percent|00|||return-to place
4317|q|x2/land|00|||return-to country
4318|q|x..20|00|||return-to postal code
4319|q|x..30|00|||return-to telephone
4320|q|x..35/percent|00|||service
4321-4323|q|n1/yesno|00|||flag of a consignment
4324-4325|q|n6/day0 n4/clock|00|||time of delivery
4326|q|n6/day|00|||release date
4330|q|n6 ?x1/hyphen|00|4331||highest temperature, Fahrenheit
4331|q|n6 ?x1/hyphen|00|4330||highest temperature, Celsius
4332|q|n6 ?x1/hyphen|00|4333||lowest temperature, Fahrenheit
4333|q|n6 ?x1/hyphen|00|4332||lowest temperature, Celsius
7001|q|n13|01,02,8006,8026|||NATO stock number
7002|q|x..30|item|||meat cut
7003|q|n6/day n4/clock|item3|||expiry date and time
7004|q|n..4|01+10,03+10|||active potency
7005|q|x..12|item|||catch area
7006|q|n6/day|item|||date of first freezing
7007|q|n6/day ?n6/day|item|||harvest date
7008|q|x..3|item|||species
7009|q|x..10|item|||fishing gear
7010|q|x..2|item3|||method of production
7011|q|n6/day ?n4/clock|item3|||test-by date
7020|q|x..20|01+416,03+416,8006+416|||refurbishment lot
7021|q|x..20|01,03,8006|||functional status
7022|q|x..20|01+7021,03+7021,8006+7021|||revision status
7023|q|x..30||||asset number of an assembly
7030-7039|q|n3/country999 x..27|item|||processor
7040||n1 x1 x1 x1/importer||||unique identification with extensions
7041||x..4/package|00|||type of freight unit
710-717|q|x..20|01|||national healthcare number
7230-7239|q|x2 x..28|01,8004|||certificate
7240|q|x..20|01,8006|03||protocol
7241|q|n2/media|8017,8018|||type of medium
7242|q|x..25|8017,8018|||version
7250|q|n8/longday|8018|7251||date of birth
7251|q|n8/longday n4/clock|8018|7250||time of birth
7252|q|n1/sex|8018|||sex
7253-7254|q|x..40/percent|8017,8018|7256,7259||name of a person
7255|q|x..10|8017,8018|7256,7259||suffix of a name
7256|q|x..90/percent|8017,8018|||full name
7257|q|x..70/percent|8018|||address of a person
7258|q|x3/position|8018+7259|||birth sequence
7259|q|x..40/percent|8018|7256||name of a baby
8001|q|n4/nonzero n5/nonzero n3/nonzero n1/winding n1|01|||dimensions of a roll
8002|q|x..20||||mobile telephone
8003|q|n1/zero n13/digit ?x..16|||-|returnable asset
8004|q|x..30|||7040|asset number
8005|q|n6|item|||price per unit of measure
8006|q|n14/digit n4/piece||01,03,37|22,10,21|piece of an item
8007|q|x..34/iban|415|||IBAN
8008|q|n6/day n2/hour ?n2/minute ?n2/second|item3|||time of production
8009|q|x..50|00,01,03|||sensor
8010|q|y..30|||8011|component or part
8011||n..12/plain|8010|||serial number of a component
8012|q|x..20|01,03,8006|||software version
8013|q|x..25/pair|||-|model number
8014||x..25/pair/letter|01|||registered device number
8017|q|n18/digit||8018|8019|service relation of a provider
8018|q|n18/digit||8017|8019|service relation of a recipient
8019||n..10|8017,8018|||instance of a service relation
8020||x..25|415|||payment slip
8026|q|n14/digit n4/piece|37|02,03,8006||pieces of contained items
8030|q|z..90|00,01+21,03+21,253,255,8003,8004,8006+21,8010+8011,8017,8018|||digital signature
8040||n15|01+21|||IMEI
8041||n15|01+21+8040|||second IMEI
8042||n32|01+21+8040|||number of an embedded SIM
8043||n18 ?n..2|01+21+8040|||number of a SIM
8110|q|x..70||||coupon (its inner form is not judged)
8111|q|n4|255|||loyalty points
8112|q|x..70||||coupon (its inner form is not judged)
8200||x..70|01|||address of a page
90|q|x..30||||agreed between partners
91-99|q|x..90||||internal
`

// wholeGroups are written out in place of their names.
var wholeGroups = map[string]string{"goods": "01,02,03,8006,8026", "item": "01,02", "item3": "01,02,03", "log": "00,01"}

// identifier is one line of the table, for one AI.
type identifier struct {
	ai         string
	name       string
	fixed      bool // no separator need follow
	query      bool
	components []component
	needs      [][]string
	forbids    []string
	key        bool
	qualifiers [][]string
}

// component is a part of an AI's data.
type component struct {
	set      byte
	least    int
	most     int
	optional bool
	rules    []string
}

// identifiers is the table, read once and only where somebody asks: a program that needs check digits alone does not pay for it.
var identifiers = sync.OnceValue(func() map[string]*identifier {
	all := map[string]*identifier{}
	for line := range strings.Lines(table) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		cells := strings.Split(line, "|")
		for _, ai := range numbered(cells[0]) {
			all[ai] = newIdentifier(ai, cells)
		}
	}
	return all
})

// numbered writes a range out. Three digits of a measure stand for four: the last says where the decimal point is.
func numbered(text string) (all []string) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	var from, to int
	_, _ = fmt.Sscan(strings.TrimLeft(first, "0")+" "+strings.TrimLeft(last, "0"), &from, &to)
	for n := from; n <= to; n++ {
		ai := fmt.Sprintf("%0*d", len(first), n)
		if len(ai) == 3 && ai >= "310" && ai <= "369" {
			for point := range 6 {
				all = append(all, fmt.Sprint(ai, point))
			}
			continue
		}
		all = append(all, ai)
	}
	return all
}

func newIdentifier(ai string, cells []string) *identifier {
	id := &identifier{ai: ai, name: cells[6], fixed: strings.Contains(cells[1], "f"), query: strings.Contains(cells[1], "q"), key: cells[5] != ""}
	for part := range strings.FieldsSeq(cells[2]) {
		id.components = append(id.components, newComponent(part))
	}
	for need := range strings.SplitSeq(cells[3], ",") {
		if group, ok := wholeGroups[need]; ok {
			for one := range strings.SplitSeq(group, ",") {
				id.needs = append(id.needs, []string{one})
			}
		} else if need != "" {
			id.needs = append(id.needs, strings.Split(need, "+"))
		}
	}
	for other := range strings.SplitSeq(cells[4], ",") {
		if other == "self" {
			other = ai[:3] + "n"
		}
		if other != "" {
			id.forbids = append(id.forbids, other)
		}
	}
	if cells[5] != "" && cells[5] != "-" {
		for order := range strings.SplitSeq(cells[5], ";") {
			id.qualifiers = append(id.qualifiers, strings.Split(order, ","))
		}
	}
	return id
}

func newComponent(text string) component {
	var c component
	text, c.optional = strings.CutPrefix(text, "?")
	parts := strings.Split(text, "/")
	c.set, c.rules = parts[0][0], parts[1:]
	length, upTo := strings.CutPrefix(parts[0][1:], "..")
	_, _ = fmt.Sscan(length, &c.most)
	if c.least = c.most; upTo {
		c.least = 1
	}
	return c
}

// fits says whether an AI is meant by a pattern: 01 itself, or 31nn for every AI of four digits that begins with 31.
func fits(pattern, ai string) bool {
	stem := strings.TrimRight(pattern, "n")
	return len(ai) == len(pattern) && strings.HasPrefix(ai, stem)
}
