package sim

import "math/rand/v2"

// What may be done to the world, as the summary counts it. Failures of targets and of the database have more words.
const (
	messageLost        = "message lost"
	messageDoubled     = "message doubled"
	messageLate        = "message late"
	lineCut            = "line cut"
	agentCrashed       = "agent crashed"
	clockSet           = "clock set"
	collectorRestarted = "collector restarted"
	diskFull           = "disk full"
	diskFailsSyncing   = "disk fails while syncing"
	sinkAway           = "sink away"
	sinkSilent         = "sink's answer lost"
	targetSlow         = "target slow"
	changesFail        = "changes fail"
	recordCorrected    = "record corrected"
	recordRepeated     = "record told twice"
	recordBad          = "bad record"
	databaseRestored   = "database put back"
	orderUnknown       = "unknown order"
	diskLost           = "disk lost"
	diskPutBack        = "disk put back"
	fileTorn           = "file torn"
	pageWiped          = "page wiped"
	bitFlipped         = "bit flipped"
)

// FaultNames are the faults that every few days together must have met.
func FaultNames() []string {
	return []string{messageLost, messageDoubled, messageLate, lineCut, agentCrashed, clockSet, collectorRestarted, diskFull, diskFailsSyncing, sinkAway, sinkSilent, targetSlow, changesFail, recordCorrected, recordRepeated, recordBad, orderUnknown, databaseRestored,
		diskLost, diskPutBack, fileTorn, pageWiped, bitFlipped}
}

// weather is what a day does to the world: shares of what may happen, each often none at all, so that some days show one fault alone.
type weather struct {
	// Of the messages on the line.
	lose, double, late float64
	// Per step of a site: its line is cut, its agent crashes, its clock is set, something happens to its disk.
	cut, crash, clock, mishap float64
	// Per write of a site's journal: the disk is full or fails.
	disk float64
	// Per transaction of the centre: its database fails. Per step of the centre: its collector crashes, its database is backed up or put back.
	database, restart, restore float64
	// Per call of a target.
	target float64
	// Of the site's records: told twice, corrected later, unreadable, of an order that nobody knows.
	repeat, correct, bad, unknown float64
	// Skew of a site's clock, in seconds at most.
	skew int
}

func makeWeather(r *rand.Rand) weather {
	share := func(most float64) float64 {
		if r.IntN(3) == 0 {
			return 0
		}
		return r.Float64() * most
	}
	w := weather{lose: share(0.3), double: share(0.3), late: share(0.5), cut: share(0.02), crash: share(0.01), clock: share(0.005), mishap: share(0.012) * float64(r.IntN(2)), disk: share(0.1),
		database: share(0.05), restart: share(0.004), restore: share(0.03), target: share(0.4), repeat: share(0.2), correct: share(0.2), bad: share(0.05), unknown: share(0.05)}
	if w.mishap > 0 {
		w.restore = 0 // what of a site's disk only a younger database had cannot be known to be lost
	}
	if r.IntN(2) == 0 {
		w.skew = r.IntN(120)
	}
	return w
}

// calm is the weather in which a day is brought to its end: everything works again.
var calm = weather{}
