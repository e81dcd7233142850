package main

import (
	"testing"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Of an order that was handed in it is said what the system of record makes of it, also where it refused to take it.
func TestFindSaysWhatBecameOfAnOrderThatWasHandedIn(t *testing.T) {
	sent := func(s posting.State, text string) []posting.Entry {
		return []posting.Entry{{Ref: posting.Ref{Target: "erp", Kind: "order_create", Key: "api/C-9/PO-1"}, State: s, Fault: posting.Fault{Text: text}}}
	}
	made := sent(posting.Confirmed, "")
	made[0].Documents = []*docklinev1.DocumentReference{{Number: "SO7"}}
	for want, s := range map[string]view.Submission{
		"accepted as SO1, SO2":                                  {Submission: state.Submission{Orders: []string{"SO1", "SO2"}}, Postings: sent(posting.Confirmed, "")},
		"rejected: credit; correct it and hand it in again":     {Submission: state.Submission{Refusals: []string{"credit"}}, Postings: sent(posting.Confirmed, "")},
		"no answer yet; erp/order_create/api/C-9/PO-1 is ready": {Postings: sent(posting.Ready, "")},
		"no answer yet": {},
		"no answer yet; erp is not told of it any more":                                                                                    {Postings: sent(posting.Superseded, "")},
		"no answer yet; erp has made SO7 of it, and has not told yet of an order with that customer and customer's reference":              {Postings: made},
		"refused by erp: customer C-9 is not known; correct what is wrong, and hand it in again, or `dockline-collector posting retry` it": {Postings: sent(posting.Rejected, "customer C-9 is not known")},
	} {
		if got := submissionText(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
