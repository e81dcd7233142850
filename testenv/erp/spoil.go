package erp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
)

// Spoils are the ways in which Spoil changes what the ERP holds.
var Spoils = []string{"removed", "doubled", "changed"}

// Spoil removes the newest goods issue from the store, doubles it, or changes a quantity in it, so that a check can be checked. It returns
// the name by which the check must speak of it.
func (s *Server) Spoil(how string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	issues := &s.store.issues
	if len(issues.numbers) == 0 {
		return "", errors.New("there is no goods issue to spoil")
	}
	number := issues.numbers[len(issues.numbers)-1]
	issue := issues.byNumber[number]
	switch how {
	case "removed":
		issues.numbers = issues.numbers[:len(issues.numbers)-1]
		delete(issues.byNumber, number)
		return issue.ExternalReference, nil
	case "doubled":
		issue.Number += "-again"
		issues.put(issue.Number, issue)
		return issue.ExternalReference, nil
	case "changed":
		issue.Lines = slices.Clone(issue.Lines)
		issue.Lines[0].Quantity = issue.Lines[0].Quantity.Add(decimal.NewFromInt(1))
		issues.put(number, issue)
		return number, nil
	}
	return "", fmt.Errorf("%q is none of %q", how, Spoils)
}
