package event

import "fmt"

// Several is a number of things for people: "1 order", "2 orders".
func Several[N ~int | ~int64 | ~uint64 | ~uint32](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// Are is "is" of one thing, and "are" of any other number.
func Are[N ~int | ~int64 | ~uint64 | ~uint32](n N) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
