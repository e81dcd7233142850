package posting

import "testing"

// What is wrong and what to do are two clauses, however a system ends its sentences.
func TestARemedyStandsApart(t *testing.T) {
	for _, c := range [][3]string{
		{"customer C-9 is not known", "correct the order", "customer C-9 is not known; correct the order"},
		{"the period is closed", "Open it.", "the period is closed. Open it."},
		{"The period is closed.", "Open it.", "The period is closed. Open it."},
		{"", "Open it.", "Open it."},
	} {
		if got := joined(c[0], c[1]); got != c[2] {
			t.Errorf("%q, want %q", got, c[2])
		}
	}
}
