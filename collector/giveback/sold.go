package giveback

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// sold refuses a credit that would come, with what the order's other returns are credited, to more than has left of the order. Nobody's word allows
// that: two people may each mean well of a return that the other does not see.
func (d Decision) sold(ctx context.Context, tx *db.Tx, s *docklinev1.ReturnState, l *docklinev1.ReturnLineState, total int64) error {
	number := l.GetOrder()
	if number == "" {
		number = s.GetOrder()
	}
	if number == "" {
		return nil
	}
	order := &docklinev1.OrderState{}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: []string{"tenant", "fold_key"}, Rows: [][]any{{d.Tenant, event.OrderKey(number)}}})
	if err != nil || len(found) == 0 {
		return err
	}
	if err := proto.Unmarshal(found[0][0].([]byte), order); err != nil {
		return err
	}
	left := int64(0)
	for _, line := range order.GetLines() {
		if same(l, line.GetOrderLine(), line.GetItem()) {
			left += line.GetOut()
		}
	}
	others, names, err := d.others(ctx, tx, number, l)
	if err != nil || left == 0 || total+others <= left { // of what left before anybody told of it nothing can be said
		return err
	}
	beside := ""
	if len(names) > 0 {
		beside = fmt.Sprintf(", and %s of it may be credited by %s", event.FormatQuantity(others), strings.Join(names, " and "))
	}
	return fmt.Errorf("%s of item %s cannot be credited: %s of it left with order %s%s. Correct the other return first, or credit it in the system of record, where somebody is to answer for it",
		event.FormatQuantity(total), l.GetItem(), event.FormatQuantity(left), number, beside)
}

// same tells whether a line of a return may be that line: by number where both have one, else by item.
func same(l *docklinev1.ReturnLineState, orderLine, item string) bool {
	return l.GetItem() == item && (l.GetOrderLine() == orderLine || l.GetOrderLine() == "" || orderLine == "")
}

// others is what the other returns of an order are credited, or may be, of the same goods.
func (d Decision) others(ctx context.Context, tx *db.Tx, order string, l *docklinev1.ReturnLineState) (sum int64, names []string, err error) {
	keys, err := tx.Texts(ctx, `SELECT DISTINCT o.fold_key FROM fact f JOIN fact o ON o.log_id = f.log_id WHERE f.tenant = ? AND f.fold_key = ? AND o.tenant = f.tenant AND o.fold_key <> ?
		AND (o.fold_key LIKE 'return/%' OR o.fold_key LIKE 'blind_return/%') ORDER BY o.fold_key`, d.Tenant, event.OrderKey(order), d.Key)
	if err != nil {
		return 0, nil, err
	}
	for _, key := range keys {
		found, err := tx.Lookup(ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: []string{"tenant", "fold_key"}, Rows: [][]any{{d.Tenant, key}}})
		if err != nil {
			return 0, nil, err
		}
		for _, row := range found {
			other := &docklinev1.ReturnState{}
			if err := proto.Unmarshal(row[0].([]byte), other); err != nil {
				return 0, nil, err
			}
			if other.GetBlind() && (!other.GetAccepted() || other.GetOrder() != order) {
				continue // it is taken for no order yet, for another, or by its RMA
			}
			mine := int64(0)
			for _, line := range other.GetLines() {
				if same(l, line.GetOrderLine(), line.GetItem()) && (line.GetOrder() == order || line.GetOrder() == "") {
					mine += max(line.GetCredited(), line.GetCreditable())
				}
			}
			if mine > 0 {
				sum, names = sum+mine, append(names, key)
			}
		}
	}
	return sum, names, nil
}
