package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Desk is where people settle dead letters. Its methods write in the caller's transaction, with the audit of who did it.
type Desk struct {
	// Event reads the event of an id as the log has it in force.
	Event func(ctx context.Context, tx *db.Tx, tenant, id string) (*docklinev1.Event, error)
	// Bring takes in an event that came by no journal of a site, Append facts of the centre, told by Source.
	Bring  func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error
	Append func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error
	Source string
	Now    func() time.Time
}

// Who does something to a dead letter, and why.
type Who struct {
	By, Reason string
}

func (d *Desk) begin(ctx context.Context, tx *db.Tx, tenant, id string, who Who) (*Letter, *docklinev1.Event, error) {
	if strings.TrimSpace(who.Reason) == "" {
		return nil, nil, errors.New("say why, for those who ask later")
	}
	if err := people.Allow(ctx, tx, tenant, who.By, people.DeadLetterAct); err != nil {
		return nil, nil, err
	}
	l, err := Get(ctx, tx, tenant, id)
	if err != nil {
		return nil, nil, err
	}
	if err := tx.Lock(ctx, "deadletter/"+tenant+"/"+l.EventID); err != nil {
		return nil, nil, err
	}
	if l, err = Get(ctx, tx, tenant, l.EventID); err != nil { // another may have settled it while this waited
		return nil, nil, err
	}
	if l.State != Open {
		return nil, nil, fmt.Errorf("dead letter %s %w: %s by %s, %q", short(l.EventID), ErrSettled, l.State, l.By, l.Reason)
	}
	for _, outcome := range []State{Requeued, Discarded} { // told, and not folded yet
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM event_identity WHERE tenant = ? AND id = ?`, tenant, settlement(l, d.Source, "", string(outcome), "", "", d.Now()).Id).Scan(&n); err != nil {
			return nil, nil, err
		}
		if n > 0 {
			return nil, nil, fmt.Errorf("dead letter %s %w: %s a moment ago", short(l.EventID), ErrSettled, outcome)
		}
	}
	e, err := d.Event(ctx, tx, tenant, l.EventID)
	return l, e, err
}

func short(id string) string { return id[:min(len(id), 12)] }

// Current is the correction as it stands: the last that a person wrote, or what was refused; nil where there is neither.
func (d *Desk) Current(ctx context.Context, tx *db.Tx, letter *docklinev1.Event) (*docklinev1.Event, error) {
	edits, err := Edits(ctx, tx, letter.GetTenant(), letter.GetId())
	if err != nil {
		return nil, err
	}
	if len(edits) == 0 {
		if Refused(letter) == nil {
			return nil, nil
		}
		return Template(letter), nil
	}
	e := &docklinev1.Event{}
	if err := proto.Unmarshal(edits[len(edits)-1].Event, e); err != nil {
		return nil, fmt.Errorf("correction %d of %s: %w", edits[len(edits)-1].Version, short(letter.GetId()), err)
	}
	return e, nil
}

// Edit keeps a correction, where it is one that could be taken, and returns how it differs from what was refused. change gets the correction as it
// stands, or a template.
func (d *Desk) Edit(ctx context.Context, tx *db.Tx, tenant, id string, who Who, change func(*docklinev1.Event) (*docklinev1.Event, error)) (string, error) {
	l, letter, err := d.begin(ctx, tx, tenant, id, who)
	if err != nil {
		return "", err
	}
	current, err := d.Current(ctx, tx, letter)
	if err != nil {
		return "", err
	}
	if current == nil {
		current = Template(letter)
	}
	written, err := change(current)
	if err != nil {
		return "", err
	}
	plain(written)
	if written.GetKind() == docklinev1.EventKind_EVENT_KIND_UNSPECIFIED {
		return "", fmt.Errorf("the correction of %s: %w: nothing says yet what happened; say that first, as kind=pick.confirmed, and then its fields, as pick.task=T1", short(l.EventID), ErrIncorrect)
	}
	if err := Check(Corrected(letter, written)); err != nil {
		return "", fmt.Errorf("the correction of %s: %w: %w", short(l.EventID), ErrIncorrect, err)
	}
	was := Refused(letter)
	if was != nil {
		plain(was)
	}
	difference := Difference(was, written)
	if difference == "" {
		return "", fmt.Errorf("the correction of %s: %w: it says what the record said, which was refused: %s", short(l.EventID), ErrIncorrect, letter.GetDeadLetter().GetText())
	}
	body, err := proto.Marshal(written)
	if err != nil {
		return "", err
	}
	if err := tx.InsertAll(ctx, db.Insert{Table: "dead_letter_edit", Columns: []string{"tenant", "event_id", "version", "body", "difference", "person", "reason", "at"},
		Rows: [][]any{{tenant, l.EventID, l.Edits + 1, body, difference, who.By, who.Reason, d.Now().UnixMicro()}}}); err != nil {
		return "", err
	}
	return difference, audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: who.By, Action: "deadletter.edit", Object: l.EventID, Reason: who.Reason, Detail: map[string]any{"version": l.Edits + 1, "difference": difference}}, d.Now())
}

// Requeue enters the correction in the place of the record, or the record as it is where what refused it has been mended, and returns the event.
func (d *Desk) Requeue(ctx context.Context, tx *db.Tx, tenant, id string, who Who) (*docklinev1.Event, error) {
	l, letter, err := d.begin(ctx, tx, tenant, id, who)
	if err != nil {
		return nil, err
	}
	written, err := d.Current(ctx, tx, letter)
	if err != nil {
		return nil, err
	}
	if written == nil {
		return nil, fmt.Errorf("of %s nothing could be read that is an event: write one with deadletter edit", short(l.EventID))
	}
	e := Corrected(letter, written)
	if err := Check(e); err != nil {
		return nil, fmt.Errorf("%s cannot be taken yet: %w; correct it with deadletter edit", short(l.EventID), err)
	}
	if err := d.Bring(ctx, tx, []*docklinev1.Event{e}); err != nil {
		return nil, err
	}
	if err := d.Append(ctx, tx, []*docklinev1.Event{settlement(l, d.Source, who.By, string(Requeued), who.Reason, e.Id, d.Now())}); err != nil {
		return nil, err
	}
	return e, audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: who.By, Action: "deadletter.requeue", Object: l.EventID, Reason: who.Reason, Detail: map[string]any{"event": e.Id, "version": l.Edits}}, d.Now())
}

// Discard says that a record is to have no effect. It is kept.
func (d *Desk) Discard(ctx context.Context, tx *db.Tx, tenant, id string, who Who) error {
	l, _, err := d.begin(ctx, tx, tenant, id, who)
	if err != nil {
		return err
	}
	if err := d.Append(ctx, tx, []*docklinev1.Event{settlement(l, d.Source, who.By, string(Discarded), who.Reason, "", d.Now())}); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: who.By, Action: "deadletter.discard", Object: l.EventID, Reason: who.Reason}, d.Now())
}
