package collector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/notice"
	"github.com/dockline/dockline/collector/people"
)

// newEscalator makes what happens to exceptions by themselves.
func (m *Collector) newEscalator() *exception.Escalator {
	return &exception.Escalator{DB: m.db, Policy: m.policy, Holder: m.name, Tell: m.tell, Receipts: m.receipts, Now: m.clock,
		Log: m.log.With("part", "exceptions")}
}

// tell makes notices of what people are to be told.
func (m *Collector) tell(ctx context.Context, tx *db.Tx, told []exception.Told, now time.Time) error {
	items := make([]notice.Item, len(told))
	for i, t := range told {
		items[i] = notice.Item{Tenant: t.Exception.Tenant, Kind: t.Kind, Level: t.Level, Group: t.Exception.Group, Team: t.Team, Person: t.Person,
			Severity: t.Exception.Severity, Number: t.Exception.Number, Title: t.Exception.Title}
	}
	n := m.policy().Notices
	return notice.Put(ctx, tx, items, notice.Times{Hold: n.Hold, Window: n.Window}, now)
}

// newNotices delivers notices.
func (m *Collector) newNotices() (*notice.Sender, error) {
	mail, err := m.config.mail()
	if err != nil {
		return nil, err
	}
	return &notice.Sender{DB: m.db, Holder: m.name, Mail: mail, Write: m.writeNotice, Now: m.clock, Log: m.log.With("part", "notices")}, nil
}

// kindOfNotice is how the subject of a notice begins.
var kindOfNotice = map[string]string{exception.NoteReopened: "Open again: ", exception.NoteSnoozeEnded: "No longer put off: "}

// writeNotice makes the message of a notice, of what is so now.
func (m *Collector) writeNotice(ctx context.Context, tx *db.Tx, n *notice.Notice) (notice.Message, error) {
	begin := kindOfNotice[n.Kind]
	if n.Kind == exception.NoteEscalated {
		begin = fmt.Sprintf("Late, level %d: ", n.Level)
	}
	subject, count := n.Title, "1 exception"
	if n.N > 1 {
		subject, count = fmt.Sprintf("%d exceptions like: %s", n.N, n.Title), fmt.Sprintf("%d exceptions", n.N)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s for team %s of tenant %s, %s.\n", count, n.Team, n.Tenant, n.Severity)
	for _, number := range n.Sample {
		e, err := exception.Get(ctx, tx, n.Tenant, number)
		if err != nil {
			return notice.Message{}, err
		}
		fmt.Fprintf(&b, "\n%d  %s\n", e.Number, e.Title)
		if n.N == 1 || number == n.Sample[0] {
			fmt.Fprintf(&b, "    %s\n", e.Text)
		}
		fmt.Fprintf(&b, "    %s, due %s%s\n", e.State, e.DueAt.Format("2006-01-02 15:04 MST"), about(e))
	}
	if more := n.N - int64(len(n.Sample)); more > 0 {
		fmt.Fprintf(&b, "\nand %d more.\n", more)
	}
	fmt.Fprintf(&b, "\nAll of them:  dockline-collector exceptions list --tenant %s --group '%s'\n", n.Tenant, n.Group)
	if base := m.config.Notices.Console; base != "" {
		fmt.Fprintf(&b, "Or look at    %s/exceptions\n", strings.TrimSuffix(base, "/"))
	}
	to, err := m.recipients(ctx, tx, n)
	return notice.Message{To: to, Subject: "[Dockline " + n.Tenant + "] " + begin + subject, Text: b.String()}, err
}

// about says what an exception names.
func about(e *exception.Exception) string {
	text := ""
	for _, c := range [][2]string{{"order", e.Order}, {"customer", e.Customer}, {"site", e.Site}, {"system", e.Target}, {"with", e.Assignee}} {
		if c[1] != "" {
			text += ", " + c[0] + " " + c[1]
		}
	}
	return text
}

// recipients are the addresses of the team in policy, of its users, and of the person.
func (m *Collector) recipients(ctx context.Context, tx *db.Tx, n *notice.Notice) ([]string, error) {
	to := slices.Clone(m.policy().Team(n.Team).Mail)
	users, err := people.List(ctx, tx, n.Tenant)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.Email != "" && u.DisabledAt.IsZero() && (u.Name == n.Person || slices.Contains(u.Teams, n.Team)) {
			to = append(to, u.Email)
		}
	}
	slices.Sort(to)
	return slices.Compact(to), nil
}
