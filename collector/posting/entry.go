package posting

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Entry is one posting as the console and the command line see it.
type Entry struct {
	Tenant string
	Ref
	// FoldKey is the key whose fold wants it.
	FoldKey       string
	SerialKey     string
	Site          string
	CorrelationID string
	Style         connector.Style
	State         State
	// Document is what is wanted now; Sent what was last sent, and Booked what the target confirmed, both nil before.
	Document, Sent, Booked *docklinev1.Document
	SourceVersion          int64
	// ConfirmedVersion is the source version that the target confirmed last, 0 for none.
	ConfirmedVersion int64
	// Documents are what the target made of it.
	Documents     []*docklinev1.DocumentReference
	PolicyVersion string
	// Wanted is false when no fold wants it any longer and it could not simply be superseded.
	Wanted bool
	// Attempts counts the calls since it was last planned.
	Attempts int64
	// ReadyAt is when it is looked at next.
	ReadyAt time.Time
	// Fault is what went wrong last, its class 0 for nothing.
	Fault Fault
	// Generation is how often the document was made: more than 1 after a document of it was reversed.
	Generation int64
	// Follows is the key of the posting that this one follows: it corrects or reverses a document of it; "" for none.
	Follows string
	// PostingDate is the day, YYYY-MM-DD, under which it was last told to the target, "" for none.
	PostingDate string
	// Timing is its timing class, NotBefore when it may be sent at the earliest (zero for at once), Within how long it may take.
	Timing    Timing
	NotBefore time.Time
	Within    time.Duration
	// Priority is how far it goes ahead of others that wait for the target.
	Priority Priority
	// WantedAt is since when it is wanted as it is.
	WantedAt time.Time
	// Waived: a person said that it need not be told as it is wanted now.
	Waived bool
	// Waits is what it waits for, where Explain was asked.
	Waits string
	// Job is the bulk retry that took it up last, 0 for none.
	Job int64
	// CreatedAt, ChangedAt and ConfirmedAt are in UTC; ConfirmedAt is zero before the first confirmation.
	CreatedAt, ChangedAt, ConfirmedAt time.Time
}

// Fault is why a posting stands where it stands: what happened, and what a person does about it.
type Fault struct {
	Class              docklinev1.FaultClass
	Code, Text, Remedy string
}

// row is an entry with what only this package needs. It is loaded with its row locked, changed, and saved whole.
type row struct {
	Entry
	id                              int64
	hash, confirmedHash, sentHash   string
	sentVersion                     int64
	body, sentBody, confirmedBody   []byte
	leaseHolder                     string
	leaseUntil, unknownSince        int64
	chainKey                        string
	chainNumber                     int64
	caseDue                         bool
	readyAt, createdAt, confirmedAt int64
	notBefore, within, wantedAt     int64
	waivedHash                      string
	documents                       []byte
	changed                         bool
	// was is how a row that is part of a Batch stood when it was loaded.
	was struct {
		State State
		Fault Fault
	}
}

// columns are those of a row, in the order in which scan and fill take them.
const columns = `id, tenant, target, kind, natural_key, fold_key, serial_key, site, correlation_id, style, state, document,
	document_hash, source_version, confirmed_hash, confirmed_version, confirmed_document, sent_document, sent_hash, sent_version,
	documents, policy_version, wanted, attempts, ready_at, lease_holder, lease_until, unknown_since, fault_class, fault_code,
	fault_text, fault_remedy, chain_key, chain_number, case_due, created_at, changed_at, confirmed_at, generation, posting_date, timing, not_before,
	time_allowed, wanted_at, job, waived_hash, priority`

func (r *row) scan(rows *sql.Rows) error {
	var wanted, due, class, changedAt int64
	err := rows.Scan(&r.id, &r.Tenant, &r.Target, &r.Kind, &r.Key, &r.FoldKey, &r.SerialKey, &r.Site, &r.CorrelationID, &r.Style,
		&r.State, &r.body, &r.hash, &r.SourceVersion, &r.confirmedHash, &r.ConfirmedVersion, &r.confirmedBody, &r.sentBody,
		&r.sentHash, &r.sentVersion, &r.documents, &r.PolicyVersion, &wanted, &r.Attempts, &r.readyAt, &r.leaseHolder,
		&r.leaseUntil, &r.unknownSince, &class, &r.Fault.Code, &r.Fault.Text, &r.Fault.Remedy, &r.chainKey, &r.chainNumber, &due,
		&r.createdAt, &changedAt, &r.confirmedAt, &r.Generation, &r.PostingDate, &r.Timing, &r.notBefore, &r.within, &r.wantedAt, &r.Job, &r.waivedHash, &r.Priority)
	if err != nil {
		return err
	}
	return r.decode(wanted, due, class, changedAt)
}

// fill takes the columns as Lookup gives them.
func (r *row) fill(v []any) error {
	text := func(i int) string { return v[i].(string) }
	number := func(i int) int64 { return v[i].(int64) }
	body := func(i int) []byte { b, _ := v[i].([]byte); return b }
	r.id, r.Tenant, r.Target, r.Kind, r.Key = number(0), text(1), text(2), connector.Kind(text(3)), text(4)
	r.FoldKey, r.SerialKey, r.Site, r.CorrelationID, r.Style, r.State = text(5), text(6), text(7), text(8), connector.Style(text(9)), State(text(10))
	r.body, r.hash, r.SourceVersion, r.confirmedHash, r.ConfirmedVersion, r.confirmedBody = body(11), text(12), number(13), text(14), number(15), body(16)
	r.sentBody, r.sentHash, r.sentVersion, r.documents, r.PolicyVersion = body(17), text(18), number(19), body(20), text(21)
	r.Attempts, r.readyAt, r.leaseHolder, r.leaseUntil, r.unknownSince = number(23), number(24), text(25), number(26), number(27)
	r.Fault.Code, r.Fault.Text, r.Fault.Remedy, r.chainKey, r.chainNumber = text(29), text(30), text(31), text(32), number(33)
	r.createdAt, r.confirmedAt = number(35), number(37)
	r.Generation, r.PostingDate, r.Timing, r.notBefore, r.within = number(38), text(39), Timing(text(40)), number(41), number(42)
	r.wantedAt, r.Job, r.waivedHash, r.Priority = number(43), number(44), text(45), Priority(number(46))
	err := r.decode(number(22), number(34), number(28), number(36))
	r.was.State, r.was.Fault = r.State, r.Fault
	return err
}

func (r *row) decode(wanted, due, class, changedAt int64) (err error) {
	r.Wanted, r.caseDue, r.Fault.Class = wanted != 0, due != 0, docklinev1.FaultClass(class)
	r.ReadyAt, r.CreatedAt, r.ChangedAt, r.ConfirmedAt = at(r.readyAt), at(r.createdAt), at(changedAt), at(r.confirmedAt)
	r.Waived = r.waivedHash != "" && r.waivedHash == r.hash
	r.Follows, r.NotBefore, r.WantedAt, r.Within = r.chainKey, at(r.notBefore), at(r.wantedAt), time.Duration(r.within)*time.Microsecond
	if r.Document, err = document(r.body); err != nil {
		return fmt.Errorf("posting %s: %w", r.Ref, err)
	}
	if r.Sent, err = document(r.sentBody); err != nil {
		return fmt.Errorf("posting %s: sent: %w", r.Ref, err)
	}
	if r.Booked, err = document(r.confirmedBody); err != nil {
		return fmt.Errorf("posting %s: confirmed: %w", r.Ref, err)
	}
	var list docklinev1.DocumentReferences
	if err := proto.Unmarshal(r.documents, &list); err != nil {
		return fmt.Errorf("posting %s: documents: %w", r.Ref, err)
	}
	r.Documents = list.Documents
	return nil
}

func document(body []byte) (*docklinev1.Document, error) {
	if len(body) == 0 {
		return nil, nil
	}
	d := new(docklinev1.Document)
	if err := proto.Unmarshal(body, d); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return d, nil
}

func at(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// collect reads all rows of a query whose columns are those of the list above.
func collect(rows *sql.Rows, err error) ([]*row, error) {
	if err != nil {
		return nil, fmt.Errorf("posting: query: %w", err)
	}
	defer rows.Close()
	var out []*row
	for rows.Next() {
		r := new(row)
		if err := r.scan(rows); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// hold loads and locks the posting of that name; nil when there is none.
func hold(ctx context.Context, tx *db.Tx, tenant string, ref Ref) (*row, error) {
	found, err := collect(tx.Hold(ctx, `SELECT `+columns+` FROM posting WHERE tenant = ? AND target = ? AND kind = ?
		AND natural_key = ?`, tenant, ref.Target, ref.Kind, ref.Key))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// move is the only way in which a state changes.
func (r *row) move(to State) error {
	if !May(r.State, to) {
		return fmt.Errorf("posting %s: illegal move from %s to %s", r.Ref, r.State, to)
	}
	moved(r.Ref, r.State, to)
	r.State = to
	r.touch()
	return nil
}

// moved is told of every move; tests hold the moves against the table.
var moved = func(ref Ref, from, to State) {}

func (r *row) touch() { r.changed = true }

// say sets the fault that people see.
func (r *row) say(f Fault) {
	if r.Fault != f {
		r.Fault = f
		r.touch()
	}
}

// plan moves it back to the beginning: it will be sent when its needs and its turn allow.
func (r *row) plan(now int64) error {
	if r.State == Planned {
		r.touch()
		return nil
	}
	if r.State == Rejected {
		r.caseDue = true
	}
	r.Attempts, r.readyAt, r.wantedAt, r.PostingDate = 0, now, now, ""
	return r.move(Planned)
}

// save writes a changed row back; the caller holds its lock.
func (r *row) save(ctx context.Context, tx *db.Tx, now int64) error {
	return saveAll(ctx, tx, []*row{r}, now)
}

var saved = []string{"fold_key", "serial_key", "site", "correlation_id", "style", "state", "document", "document_hash", "source_version",
	"confirmed_hash", "confirmed_version", "confirmed_document", "sent_document", "sent_hash", "sent_version", "documents", "policy_version", "wanted",
	"attempts", "ready_at", "lease_holder", "lease_until", "unknown_since", "fault_class", "fault_code", "fault_text", "fault_remedy", "case_due",
	"changed_at", "confirmed_at", "generation", "posting_date", "timing", "not_before", "time_allowed", "wanted_at", "job", "waived_hash", "priority"}

// saveAll writes back those rows that have changed; the caller holds their locks.
func saveAll(ctx context.Context, tx *db.Tx, list []*row, now int64) error {
	u := db.Update{Table: "posting", Key: []string{"id"}, Set: saved}
	for _, r := range list {
		if r.changed {
			u.Rows = append(u.Rows, []any{r.id, r.FoldKey, r.SerialKey, r.Site, r.CorrelationID, r.Style, r.State, r.body, r.hash, r.SourceVersion, r.confirmedHash,
				r.ConfirmedVersion, r.confirmedBody, r.sentBody, r.sentHash, r.sentVersion, r.documents, r.PolicyVersion, r.Wanted,
				r.Attempts, r.readyAt, r.leaseHolder, r.leaseUntil, r.unknownSince, r.Fault.Class, r.Fault.Code, r.Fault.Text,
				r.Fault.Remedy, r.caseDue, now, r.confirmedAt, r.Generation, r.PostingDate, r.Timing, r.notBefore, r.within, r.wantedAt, r.Job, r.waivedHash, int64(r.Priority)})
		}
	}
	n, err := tx.UpdateAll(ctx, u)
	if err != nil {
		return fmt.Errorf("save postings: %w", err)
	}
	if n != int64(len(u.Rows)) {
		return fmt.Errorf("save postings: of %d rows %d are gone", len(u.Rows), int64(len(u.Rows))-n)
	}
	for _, r := range list {
		r.changed = false
	}
	return nil
}

// begin makes it a new row in state planned.
func (r *row) begin(now int64) {
	r.State, r.Wanted, r.readyAt, r.createdAt, r.wantedAt, r.Generation = Planned, true, now, now, now, 1
	moved(r.Ref, "", Planned)
	if r.chainNumber == 0 {
		r.chainNumber = 1
	}
}

// insert writes new rows, in their order: a posting with a lower id goes before others of its serial key. They get their ids.
func insert(ctx context.Context, tx *db.Tx, fresh []*row, now int64) error {
	ids, err := tx.NextIDs(ctx, "posting", "id", len(fresh))
	if err != nil {
		return err
	}
	ins := db.Insert{Table: "posting", Columns: []string{"id", "tenant", "target", "kind", "natural_key", "fold_key", "serial_key", "site", "correlation_id", "style", "state",
		"document", "document_hash", "source_version", "policy_version", "ready_at", "chain_key", "chain_number", "created_at", "changed_at", "generation", "timing", "not_before", "time_allowed", "wanted_at", "priority"}}
	for i, r := range fresh {
		r.id, r.changed = ids[i], false
		ins.Rows = append(ins.Rows, []any{r.id, r.Tenant, r.Target, r.Kind, r.Key, r.FoldKey, r.SerialKey, r.Site, r.CorrelationID, r.Style, r.State,
			r.body, r.hash, r.SourceVersion, r.PolicyVersion, r.readyAt, r.chainKey, r.chainNumber, now, now, r.Generation, r.Timing, r.notBefore, r.within, r.wantedAt, int64(r.Priority)})
	}
	if err := tx.InsertAll(ctx, ins); err != nil {
		return fmt.Errorf("new postings: %w", err)
	}
	return nil
}
