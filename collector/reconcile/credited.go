package reconcile

import (
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// CodeCreditedBeyondSold is the code of an order of which more was credited, over all of its returns, than has left.
const CodeCreditedBeyondSold = "credited_beyond_sold"

// creditedBeyondSold makes a case of it: each return may be right as far as it goes, and the order shows that not all can be. A shipment that was
// not told yet may still come.
func (v *view) creditedBeyondSold(fold *state.OrderFold) {
	var texts []string
	s, value := fold.State, ""
	for _, l := range s.GetLines() {
		if l.GetCredited() > l.GetOut() {
			texts = append(texts, fmt.Sprintf("of line %s (item %s) %s left and %s are credited", l.GetOrderLine(), l.GetItem(), event.FormatQuantity(l.GetOut()), event.FormatQuantity(l.GetCredited())))
			if value == "" {
				value = worth(l.GetCredited()-l.GetOut(), l.GetUnitPrice())
			}
		}
	}
	var memos []*docklinev1.Event
	for _, e := range fold.Facts {
		if e.GetCreditMemo() != nil {
			memos = append(memos, e)
		}
	}
	if len(texts) == 0 || len(memos) == 0 || v.mayStillCome(s.GetSite(), memos[len(memos)-1], idsOf(memos)) {
		return
	}
	v.raise(exception.Desired{Code: CodeCreditedBeyondSold, Class: process, Subject: s.GetNumber(), Site: s.GetSite(), Order: s.GetNumber(), Customer: s.GetCustomer(), Value: value, EventIDs: idsOf(memos),
		Title: fmt.Sprintf("More of order %s was credited than left", s.GetNumber()),
		Text: fmt.Sprintf("Of order %s more was credited than its customer ever got: %s. Look whether goods came back twice on paper, or were taken for the wrong order, and correct the credit in the system of record; where a credit was for a price and not for goods, waive this. It closes by itself when no more is credited than left.",
			s.GetNumber(), strings.Join(texts, "; "))})
}
