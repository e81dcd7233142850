package collector

import (
	"slices"

	"github.com/dockline/dockline/collector/exception"
)

// Actions are all that people can do about exceptions. Each part of the centre adds its own, in a file of its own (actions_NOUN.go).
func Actions() exception.Actions {
	return slices.Concat(
		postingActions(),
	)
}
