package connector

import (
	"cmp"
	"slices"
)

// SpareDrafts are, by place, the drafts that are too many among what was found of one posting: all but what has its effect, or, where nothing has,
// all but the lowest. Whoever else has made drafts of it keeps the same one. ok is false where more than one is no draft: then only a person can
// tell which is right.
func SpareDrafts(found []Found) (spare []int, ok bool) {
	keep := -1
	for i, f := range found {
		switch {
		case f.Draft && !f.Complete:
			spare = append(spare, i)
		case keep >= 0:
			return nil, false
		default:
			keep = i
		}
	}
	if keep >= 0 || len(spare) == 0 {
		return spare, true
	}
	lowest := slices.MinFunc(spare, func(a, b int) int {
		x, y := found[a].Document.GetNumber(), found[b].Document.GetNumber()
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)) // CM9 is before CM10
	})
	return slices.DeleteFunc(spare, func(at int) bool { return at == lowest }), true
}
