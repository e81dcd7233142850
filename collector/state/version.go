package state

// Counting is which version of one record counts, as every fold has it: the highest revision, or the first in the journal where the source
// has none. There must be at least one.
func Counting(versions []Fact) Fact {
	f := Force{found: make(findings)}
	unique := f.unique(versions)
	return f.choose(unique)
}
