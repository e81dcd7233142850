package posting

// OnMove has f called for every move of a posting, and returns what ends that.
func OnMove(f func(ref Ref, from, to State)) func() {
	old := moved
	moved = f
	return func() { moved = old }
}
