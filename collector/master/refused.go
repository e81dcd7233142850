package master

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The codes of cases.
const (
	codeRefused = "master_refused"
	codeStalled = "master_stalled"
	codeShrunk  = "master_shrunk"
)

// maxRefused bounds how many refused records of one system and kind are kept: a definition that fits nothing refuses everything.
const maxRefused = 1000

// maxRaw bounds what is kept of one.
const maxRaw = 4 << 10

func rawOf(r *docklinev1.MasterRecord) []byte {
	raw, err := protojson.Marshal(r)
	if err != nil {
		return nil // text that is no UTF-8; the reason says so
	}
	return raw
}

// codeOf names a refused record in its table.
func codeOf(r connector.RefusedRecord) string {
	code := strings.ToValidUTF8(strings.ReplaceAll(r.Code, "\x00", "?"), "?")
	return code[:min(len(code), MaxText)]
}

// refuse keeps records that could not be taken; of one the last reason counts.
func refuse(ctx context.Context, tx *db.Tx, tenant, party string, kind docklinev1.MasterKind, refused []connector.RefusedRecord, now time.Time) error {
	if len(refused) == 0 {
		return nil
	}
	var kept int64
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM master_refused WHERE tenant = ? AND party = ? AND kind = ?`, tenant, party, int64(kind)).Scan(&kept); err != nil {
		return err
	}
	rows := map[string][]any{}
	for _, r := range refused {
		code := codeOf(r)
		reason := strings.ToValidUTF8(strings.ReplaceAll(r.Reason, "\x00", "?"), "?")
		rows[code] = []any{tenant, party, int64(kind), code, reason[:min(len(reason), 1000)], r.Raw[:min(len(r.Raw), maxRaw)], now.UnixMicro()}
	}
	into := db.Insert{Table: "master_refused", Columns: []string{"tenant", "party", "kind", "code", "reason", "raw", "refused_at"},
		Conflict: []string{"tenant", "party", "kind", "code"}, Update: []string{"reason", "raw", "refused_at"}}
	for _, row := range rows {
		if row[5] == nil || row[5].([]byte) == nil {
			row[5] = []byte{}
		}
		into.Rows = append(into.Rows, row)
	}
	slices.SortFunc(into.Rows, func(a, b []any) int { return strings.Compare(a[3].(string), b[3].(string)) })
	if room := max(0, maxRefused-int(kept)); len(into.Rows) > room {
		into.Rows = into.Rows[:room]
	}
	if len(into.Rows) == 0 {
		return nil
	}
	return tx.Upsert(ctx, into)
}

// accepted takes records off the refused ones: they have been taken now.
func accepted(ctx context.Context, tx *db.Tx, tenant, party string, kind docklinev1.MasterKind, good []*docklinev1.MasterRecord) error {
	var some int64
	err := tx.QueryRow(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM master_refused WHERE tenant = ? AND party = ? AND kind = ?) THEN 1 ELSE 0 END`, tenant, party, int64(kind)).Scan(&some)
	if err != nil || some == 0 || len(good) == 0 {
		return err
	}
	keys := make([][]any, len(good))
	for n, r := range good {
		keys[n] = []any{tenant, party, int64(kind), r.GetCode()}
	}
	return tx.DeleteAll(ctx, "master_refused", []string{"tenant", "party", "kind", "code"}, keys)
}

// notes is what people were last told of one system.
type notes struct {
	since  time.Time // of the present row of faults
	outage *connector.Case
	told   *[]connector.Case
	fault  string
}

// alarmAfter is how long a system may be silent before a person is told: longer than a restart of it takes.
const alarmAfter = 30 * time.Second

// tell brings the cases of a system in line with what it refused, or what was refused of it, and with how the last step went.
func (n *notes) tell(ctx context.Context, t *turn, cases connector.Cases, tenant, party string, now time.Time, failed error, meanwhile string) error {
	if failed == nil {
		n.since, n.outage = time.Time{}, nil
	} else if n.since.IsZero() {
		n.since = now
	}
	if err := n.state(ctx, t, tenant, party, failed); err != nil || cases == nil {
		return err
	}
	all, err := refusedCases(ctx, t.db, tenant, party)
	if err != nil {
		return err
	}
	if fault, ok := errors.AsType[*connector.Fault](failed); ok && fault.Code == codeShrunk {
		all = append(all, connector.Case{Class: fault.Class, Severity: docklinev1.Severity_SEVERITY_ERROR, Code: codeShrunk, Subject: party,
			Title: party + " tells of far fewer records than before", Text: sentence(fault.Text) + " " + sentence(fault.Remedy)})
	} else if failed != nil && n.outage == nil && now.Sub(n.since) >= alarmAfter {
		n.outage = stalled(party, n.since, failed, meanwhile)
	}
	if n.outage != nil {
		all = append(all, *n.outage)
	} else if failed != nil && n.told == nil {
		return nil // whether a former process's alarm still holds is not known yet
	}
	if n.told != nil && slices.Equal(*n.told, all) {
		return nil
	}
	if err := t.write(ctx, func(tx *db.Tx) error { return cases(ctx, tx, tenant, "master/"+party, all) }); err != nil {
		return fmt.Errorf("master data of %s: exception: %w", party, err)
	}
	n.told = &all
	return nil
}

// state writes down a fault, for those who list the systems, when it begins, becomes another or ends.
func (n *notes) state(ctx context.Context, t *turn, tenant, party string, failed error) error {
	text := ""
	if failed != nil {
		text = failed.Error()
	}
	if text == n.fault && (n.told != nil || text != "") {
		return nil
	}
	since := int64(0)
	if !n.since.IsZero() {
		since = n.since.UnixMicro()
	}
	err := t.write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE master_source SET fault = ?, fault_since = ? WHERE tenant = ? AND source = ? AND fault <> ?`, text, since, tenant, party, text); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE master_target SET fault = ?, fault_since = ? WHERE tenant = ? AND target = ? AND fault <> ?`, text, since, tenant, party, text)
		return err
	})
	if err == nil {
		n.fault = text
	}
	return err
}

func stalled(party string, since time.Time, failed error, meanwhile string) *connector.Case {
	reason, remedy := failed.Error(), "See that it runs and can be reached from here."
	if fault, ok := errors.AsType[*connector.Fault](failed); ok {
		if reason = fault.Text; fault.Remedy != "" {
			remedy = sentence(fault.Remedy)
		}
	}
	return &connector.Case{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Severity: docklinev1.Severity_SEVERITY_WARNING, Code: codeStalled, Subject: party,
		Title: "Master data of " + party + " stands still",
		Text: fmt.Sprintf("Since %s UTC it cannot be read from %s, or told to it (%s). %s %s It goes on by itself where it stopped; orders and shipments do not wait for it.",
			since.UTC().Format("2006-01-02 15:04"), party, reason, meanwhile, remedy)}
}

// sentence is a text as a sentence of its own.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	runes := []rune(strings.TrimSuffix(text, "."))
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes) + "."
}

// namedRefused is how many records a case names.
const namedRefused = 10

// refusedCases is one case for each kind of which records could not be taken.
func refusedCases(ctx context.Context, d *db.DB, tenant, party string) (all []connector.Case, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		all = []connector.Case{}
		counts := map[docklinev1.MasterKind]int64{}
		err := each(ctx, tx, `SELECT kind, count(*) FROM master_refused WHERE tenant = ? AND party = ? GROUP BY kind`, []any{tenant, party}, func(scan func(...any) error) error {
			var kind, n int64
			err := scan(&kind, &n)
			counts[docklinev1.MasterKind(kind)] = n
			return err
		})
		if err != nil {
			return err
		}
		for _, name := range connector.MasterKindNames() {
			kind, _ := connector.ParseMasterKind(name)
			if counts[kind] == 0 {
				continue
			}
			var named []string
			err := each(ctx, tx, `SELECT code, reason FROM master_refused WHERE tenant = ? AND party = ? AND kind = ? ORDER BY code LIMIT ?`, []any{tenant, party, int64(kind), namedRefused},
				func(scan func(...any) error) error {
					var code, reason string
					err := scan(&code, &reason)
					named = append(named, fmt.Sprintf("%s (%s)", code, reason))
					return err
				})
			if err != nil {
				return err
			}
			all = append(all, refusedCase(tenant, party, name, counts[kind], named))
		}
		return nil
	})
	return all, err
}

func refusedCase(tenant, party, kind string, n int64, named []string) connector.Case {
	what := fmt.Sprintf("%d %s records", n, kind)
	if n == 1 {
		what = "A " + kind + " record"
	} else if n >= maxRefused {
		what = fmt.Sprintf("At least %d %s records", n, kind)
	}
	text := strings.Join(named, "; ")
	if more := n - int64(len(named)); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return connector.Case{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Severity: docklinev1.Severity_SEVERITY_WARNING, Code: codeRefused, Subject: party + "/" + kind,
		Title: what + " of " + party + " cannot be taken",
		Text:  text + fmt.Sprintf(". What was known of them before stays. Correct them in %s; each is taken by itself when it is told again, and then this closes. `dockline-collector master refused --tenant %s` lists them with what was told.", party, tenant)}
}
