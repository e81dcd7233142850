package testenv

import (
	"fmt"
	"os"
)

// counts says how often each counted check runs: in a commit, and in full (make test FULL=1), from which published figures come.
var counts = map[string]struct{ commit, full int }{
	"journal.kills":          {20, 200},
	"journal.sequences":      {200, 5000},
	"journal.damages":        {30, 300},
	"journal.power-cuts":     {40, 500},
	"host.plugin-kills":      {20, 100},
	"http.idle-connections":  {1000, 10_000},
	"http.agent-kills":       {4, 30},
	"state.permutations":     {300, 10000},
	"reconcile.large-facts":  {25_000, 1_000_000},
	"reconcile.order-lines":  {60_000, 1_000_000},
	"reconcile.random-days":  {4, 12},
	"policy.rules":           {5_000, 100_000},
	"policy.closed-orders":   {300, 1000},
	"posting.sequences":      {100, 2000},
	"posting.poison-orders":  {10_000, 10_000},
	"posting.equal-failures": {3_000, 10_000},
	"once.agent-kills":       {20, 20},
	"rebuild.orders":         {24, 120},
	"epcis.orders":           {24, 120},
	"rebuild.troubles":       {10, 50},
	"retention.kills":        {8, 100},
	"retention.lives":        {20, 1000},
	"giveback.lives":         {24, 2000},
	"permutations.pure":      {300, 10000},
	"permutations.database":  {40, 10000},
	"once.tryton-orders":     {8, 60},
	// Of the calls that a posting to Tryton takes, how many have their answer lost: beyond the last is all of them.
	"once.tryton-answers":  {1, 1000},
	"downlink.releases":    {100, 1000},
	"demo.orders":          {200, 200},
	"demo.tryton-orders":   {12, 60},
	"ingest.permutations":  {50, 1000},
	"wmsfile.permutations": {100, 2000},
	// Seeds of a share that misbehaves, and files that a WMS writes through it with each.
	"wmsfile.shares":      {6, 300},
	"wmsfile.share-files": {24, 120},
	// Megabytes of one file of each form.
	"wmsfile.big-megabytes": {64, 1024},
	// Megabytes of a file that is one line.
	"wmsfile.line-megabytes": {64, 2048},
	"sandbox.failed-orders":  {20, 200},
	"restore.queued-events":  {50_000, 1_000_000},
	"orders.retail-lines":    {400, 1 << 20},
	"orders.northwind-lines": {150, 1 << 20},
	// Rows that concurrent transactions write, on each database, and how often the plugin that reads them is killed meanwhile.
	"sql.late-rows": {2000, 100_000},
	"sql.kills":     {4, 40},
	// How often an agent with readers is killed while people scan.
	"scanner.kills": {4, 60},
	"sim.seeds":     {200, 2000},
	"sim.again":     {3, 30},
	// Differences that somebody made in ERP and CRM, an eighth of each kind.
	"sweep.seeded": {24, 200},
	// Orders and copies of customers that somebody changed, a fifth of each kind.
	"sweep.records": {10, 100},

	// Three collectors on one database: events of forty sites, and how often one of the three is killed, stopped or asked to end.
	"scale.events": {2640, 50_160},
	"scale.kills":  {8, 65},
	// Lines of one order, which is told to a collector whose memory is bounded: more than it folds of one.
	"scale.order-lines": {110_000, 1_000_000},
	// How often their database crashes in the middle of its work.
	"scale.crashes": {4, 40},

	// Items that the ERP tells of at once while a site behind a slow line ships.
	"master.items": {3000, 20_000},

	"health.backlog": {60_000, 1_000_000},
	// Sites whose line comes back in the same moment.
	"fleet.sites": {50, 1000},

	// The edge, testenv/scenario/edge: kills, rows, damages and backlogs of its checks.
	"edge.ack-kills":    {15, 200},
	"edge.cursor-kills": {15, 500},
	"edge.cursor-rows":  {10_000, 100_000},
	"edge.forgotten":    {10_000, 100_000},
	"edge.repeats":      {40, 200},
	"edge.clock-rows":   {1000, 5000},
	"edge.flips":        {10, 300},
	"edge.damages":      {10, 300},
	"edge.backlog":      {100_000, 1_000_000},
	"edge.drain-kills":  {5, 50},
	"edge.live-ships":   {20, 60},
	"edge.poison-rows":  {50, 1000},
	"edge.reconnects":   {20, 100},
}

// Full says whether the full counts are asked for (FULL=1).
func Full() bool { return os.Getenv("FULL") == "1" }

// Count is how often the named check is to run. An unknown name is a mistake in the test and panics.
func Count(name string) int {
	c, ok := counts[name]
	if !ok {
		panic(fmt.Sprintf("testenv: no count %q in counts.go", name))
	}
	if Full() {
		return c.full
	}
	return c.commit
}
