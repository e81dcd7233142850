package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Offers are what can be done with something, each with why it cannot be done now: an exception by its number, an order, a shipment or a return by
// its fold key, a posting as posting/TARGET/KIND/KEY.
func (d *Desk) Offers(ctx context.Context, tx *db.Tx, tenant, key string) ([]exception.Offer, error) {
	if number, err := strconv.ParseUint(strings.TrimPrefix(key, "exception/"), 10, 64); err == nil {
		e, err := exception.Get(ctx, tx, tenant, number)
		if err != nil {
			return nil, err
		}
		return d.Actions.Offers(ctx, tx, e), nil
	}
	if ref, ok := postingOf(key); ok {
		return postingOffers(ctx, tx, tenant, ref)
	}
	kind, _, err := event.ParseKey(key)
	moves, known := objectMoves[kind]
	if err != nil || !known {
		return nil, fmt.Errorf("%w: %q: write the number of an exception, order/NUMBER, shipment/SITE/NUMBER, return/RMA or posting/TARGET/KIND/KEY", exception.ErrIncorrect, key)
	}
	var status string
	var body []byte
	err = tx.QueryRow(ctx, `SELECT status, body FROM state WHERE tenant = ? AND fold_key = ?`, tenant, key).Scan(&status, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w of %s of tenant %s", reconcile.ErrNoKey, key, tenant)
	}
	if err != nil {
		return nil, err
	}
	site, o := "", &docklinev1.OrderState{}
	if kind == state.KindOrder {
		if err := proto.Unmarshal(body, o); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		site = o.GetReleasedTo()
	}
	offers := make([]exception.Offer, len(moves))
	for i, m := range moves {
		offers[i] = m.offer(tenant, status, site)
		if act := orderActs[m.name]; kind == state.KindOrder && act.do != nil {
			if offers[i].Sets, err = act.takes(ctx, tx, tenant, o); err != nil {
				return nil, err
			}
			offers[i].How = strings.ReplaceAll(offers[i].How, "ORDER", o.GetNumber())
		}
	}
	return offers, nil
}

// move is something that can be done with an object while it has one of the statuses.
type move struct {
	name, title, scope string
	in                 []string
	// atSite: it needs a site that the order was released to.
	atSite bool
	how    string
}

func (m move) offer(tenant, status, site string) exception.Offer {
	o := exception.Offer{Name: m.name, Title: m.title, Scope: m.scope, How: strings.NewReplacer("TENANT", tenant, "SITE", orElse(site, "SITE")).Replace(m.how)}
	switch {
	case !slices.Contains(m.in, status):
		o.Not = "it is " + strings.ReplaceAll(status, "_", " ")
	case m.atSite && site == "":
		o.Not = "it was not released to a site"
	}
	return o
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// The statuses of orders by how far they are. What EVENTS 3.2 lets an order do follows from them: who owns a move is who does it.
var (
	unshipped = []string{"accepted", "held", "backordered", "released", "allocated", "picking", "partially_packed", "packed"}
	atSite    = []string{"released", "allocated", "picking", "partially_packed", "packed"}
	started   = append(slices.Clone(unshipped), "partially_shipped")
)

const inRecord = "in the system of record, which owns it; Dockline tells the site"

// objectMoves are what can be done with orders, shipments and returns, by kind.
var objectMoves = map[string][]move{
	state.KindOrder: {
		{name: "hold", title: "Hold it", in: []string{"accepted", "backordered", "released"}, scope: people.OrderAct, how: "dockline-collector order hold ORDER --tenant TENANT --reason ..."},
		{name: "release_hold", title: "Let it go on", in: []string{"held"}, scope: people.OrderAct, how: "dockline-collector order release ORDER --tenant TENANT --reason ..."},
		{name: "request_cancel", title: "Ask for its cancellation", in: unshipped, scope: people.OrderAct, how: "dockline-collector order cancel ORDER --tenant TENANT --reason ...; the system of record grants it"},
		{name: "cancel_at_site", title: "Have the site leave it", in: atSite, atSite: true, scope: people.SiteAct, how: "dockline-collector site command cancel TENANT/SITE ORDER --reason ..."},
		{name: "move", title: "Have another site ship it", in: []string{"accepted", "backordered", "released", "allocated"}, scope: people.OrderAct, how: "dockline-collector order move ORDER --tenant TENANT --to SITE --reason ...; the system of record does it, and the first site is told to leave it"},
		{name: "split", title: "Move what is open to an order of its own", in: started, scope: people.OrderAct, how: "dockline-collector order split ORDER --tenant TENANT --line LINE=QUANTITY --reason ...; the system of record does it"},
		{name: "amend", title: "Change its lines", in: started, how: inRecord},
	},
	state.KindShipment: {
		{name: "void", title: "Take it back", in: []string{"departed", "in_transit"}, how: "at the site, while it can still be stopped"},
		{name: "reread", title: "Have the site tell it again", scope: people.SiteAct, how: "dockline-collector site command reread TENANT/SITE --plugin ID --since ...",
			in: []string{"planned", "picking", "packed", "staged", "loaded", "departed", "in_transit", "out_for_delivery", "delivered", "closed"}},
		{name: "claim", title: "Claim it from the carrier", in: []string{"lost", "refused", "returned_to_sender"}, how: "with the carrier; the number of the claim goes into its record"},
	},
	state.KindReturn: {
		{name: "authorise", title: "Authorise it", in: []string{"requested", "denied"}, how: "in the system of record or the CRM"},
		{name: "cancel", title: "Cancel it", in: []string{"requested", "authorised"}, how: "in the system of record or the CRM, before goods come"},
		{name: "dispose", title: "Say what becomes of the goods", in: []string{"received", "inspected", "quarantined"}, how: "at the site"},
		{name: "credit", title: "Credit it", in: []string{"received", "inspected", "disposed"}, how: "in the system of record"},
	},
}

// postingOffers are what can be done with a posting.
func postingOffers(ctx context.Context, tx *db.Tx, tenant string, ref posting.Ref) ([]exception.Offer, error) {
	var standing string
	err := tx.QueryRow(ctx, `SELECT state FROM posting WHERE tenant = ? AND target = ? AND kind = ? AND natural_key = ?`, tenant, ref.Target, string(ref.Kind), ref.Key).Scan(&standing)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%s: %w", ref, posting.ErrAbsent)
	}
	if err != nil {
		return nil, err
	}
	retry := exception.Offer{Name: "retry", Title: "Send it again, or look for it again", Scope: people.PostingAct}
	if p := posting.State(standing); p == posting.Sending || p == posting.Confirmed || p == posting.Superseded {
		retry.Not = "it is " + standing
	}
	again := exception.Offer{Name: "post_again", Title: "Post it again: it was taken back or deleted in the target, and should not have been", Scope: people.PostingAct,
		How: fmt.Sprintf("dockline-collector posting again %s --tenant %s --reason ...", ref, tenant)}
	if err := posting.MayPostAgain(ctx, tx, tenant, ref); err != nil {
		again.Not = err.Error()
	}
	return []exception.Offer{retry, again}, nil
}
