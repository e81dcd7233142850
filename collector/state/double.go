package state

import "slices"

// withoutDoubles takes out the facts that the site marked as second scans of a deed of which the first is here too. A double whose first
// scan is lost, or still on its way, stands in for it, the one that was told first: so the deed counts once in any case.
func withoutDoubles(facts []Fact) (counting, doubles []Fact) {
	if !slices.ContainsFunc(facts, func(f Fact) bool { return f.Event.GetDoubleOf() != "" }) {
		return facts, nil
	}
	here := make(map[string]bool, len(facts))
	for _, f := range facts {
		here[f.Event.GetId()] = true
	}
	standIn := make(map[string]Fact)
	for _, f := range facts {
		first := f.Event.GetDoubleOf()
		have, ok := standIn[first]
		if first != "" && !here[first] && (!ok || byJournal(f, have) < 0) {
			standIn[first] = f
		}
	}
	for _, f := range facts {
		if first := f.Event.GetDoubleOf(); first == "" || !here[first] && standIn[first].Event.GetId() == f.Event.GetId() {
			counting = append(counting, f)
		} else {
			doubles = append(doubles, f)
		}
	}
	return counting, doubles
}
