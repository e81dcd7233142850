package notice_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"mime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/notice"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const tenant = "acme"

// office is a mail server, a clock, and who delivers by them.
type office struct {
	t      *testing.T
	d      *db.DB
	server *testenv.MailServer
	sender *notice.Sender
	now    time.Time
	to     []string
}

func newOffice(t *testing.T, d *db.DB) *office {
	o := &office{t: t, d: d, server: testenv.NewMailServer(t), now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), to: []string{"ines@example.com", "otto@example.com"}}
	o.sender = &notice.Sender{DB: d, Holder: "1", Now: func() time.Time { return o.now },
		Mail: &notice.SMTP{Address: o.server.Address, TLS: "starttls", Config: &tls.Config{RootCAs: o.server.Roots}, From: "dockline@example.com", ID: "example.com", Timeout: 20 * time.Second},
		Write: func(_ context.Context, _ *db.Tx, n *notice.Notice) (notice.Message, error) {
			return notice.Message{To: slices.Clone(o.to), Subject: fmt.Sprintf("%d: %s", n.N, n.Title), Text: "Größe 2\nünd more\n"}, nil
		}}
	return o
}

func (o *office) put(from, n int) {
	o.t.Helper()
	var items []notice.Item
	for i := range n {
		items = append(items, notice.Item{Tenant: tenant, Kind: "opened", Group: "timeout/it/erp", Team: "it", Severity: docklinev1.Severity_SEVERITY_ERROR, Number: uint64(from + i), Title: "erp does not\r\nBcc: all@example.com answer \u00e4"})
	}
	err := o.d.Write(o.t.Context(), func(tx *db.Tx) error {
		return notice.Put(o.t.Context(), tx, items, notice.Times{Hold: time.Minute, Window: time.Hour}, o.now)
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// after lets time pass and delivers what is ready then.
func (o *office) after(d time.Duration) {
	o.t.Helper()
	o.now = o.now.Add(d)
	for {
		more, err := o.sender.Step(o.t.Context())
		if err != nil {
			o.t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func (o *office) list() []notice.Notice {
	o.t.Helper()
	var found []notice.Notice
	err := o.d.Read(o.t.Context(), func(tx *db.Tx) (err error) {
		found, err = notice.List(o.t.Context(), tx, tenant, notice.Filter{})
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return found
}

// Ten thousand equal failures are one mail with a count, and what follows within the hour is one more.
//
// Shows: S37
func TestTenThousandEqualFailuresAreOneMail(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		for i := range 20 {
			o.put(1+500*i, 500)
			o.after(2 * time.Second)
		}
		if got := o.server.Messages(); len(got) != 0 {
			t.Fatalf("%d mails before there were all", len(got))
		}
		o.after(time.Minute)
		got := o.server.Messages()
		if len(got) != 1 {
			t.Fatalf("%d mails", len(got))
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(got[0].Header.Get("Subject"))
		if want := "10000: erp does not Bcc: all@example.com answer \u00e4"; subject != want || err != nil || got[0].Header.Get("Bcc") != "" {
			t.Errorf("subject %q, %v, header %v", subject, err, got[0].Header)
		}
		if m := got[0]; !m.Secured || m.From != "dockline@example.com" || !slices.Equal(m.To, o.to) || !strings.Contains(m.Body, "Gr=C3=B6=C3=9Fe 2") || m.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("mail %+v", m)
		}
		for i := range 10 {
			o.put(20000+i, 1)
			o.after(5 * time.Minute)
		}
		if got = o.server.Messages(); len(got) != 1 {
			t.Errorf("%d mails within the hour", len(got))
		}
		o.after(20 * time.Minute)
		if got = o.server.Messages(); len(got) != 2 || !strings.Contains(got[1].Header.Get("Subject"), "10:") {
			t.Errorf("after the hour: %d mails", len(got))
		}
		if all := o.list(); len(all) != 2 || all[1].N != 10000 || all[1].State != notice.Sent || !slices.Equal(all[1].Sample, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) || all[1].Severity != "error" {
			t.Errorf("listed %+v", all)
		}
	})
}

// A mail goes at least once, and whenever it goes twice it is one by its Message-ID.
func TestAMailIsNotLost(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		o.server.Change(func() { o.server.Down, o.server.Cut = 2, 1 })
		o.put(1, 1)
		for range 8 {
			o.after(5 * time.Minute)
		}
		got := o.server.Messages()
		if len(got) != 2 || got[0].Header.Get("Message-ID") != got[1].Header.Get("Message-ID") || got[0].Header.Get("Message-ID") == "" {
			t.Errorf("taken %d times: %+v", len(got), got)
		}
		if n := o.list()[0]; n.State != notice.Sent || n.Attempts != 4 {
			t.Errorf("%+v", n)
		}
	})
}

// A recipient who is refused for now gets it later, alone; one who is refused for good keeps it from nobody.
func TestRecipientsThatAreRefused(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		o.to = append(o.to, "gone@example.com")
		later := true
		o.server.Change(func() {
			o.server.Refuse = func(to string) string {
				return map[bool]string{to == "gone@example.com": "550 no such user", to == "otto@example.com" && later: "451 later"}[true]
			}
		})
		o.put(1, 1)
		o.after(2 * time.Minute)
		if n := o.list()[0]; n.State != notice.Waiting || !slices.Equal(n.Recipients, []string{"ines@example.com"}) {
			t.Errorf("first %+v", n)
		}
		o.server.Change(func() { later = false })
		o.after(5 * time.Minute)
		got := o.server.Messages()
		if n := o.list()[0]; len(got) != 2 || !slices.Equal(got[1].To, []string{"otto@example.com"}) || n.State != notice.Sent || !strings.Contains(n.Text, "gone@example.com") {
			t.Errorf("then %+v, %+v", got, n)
		}
		o.to = []string{"gone@example.com"}
		o.put(2, 1)
		o.after(2 * time.Hour)
		if n := o.list()[0]; n.State != notice.Failed {
			t.Errorf("for nobody else: %+v", n)
		}
	})
}

func TestHowAMailServerIsReached(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		o.server.Change(func() { o.server.NoTLS = true })
		o.put(1, 1)
		o.after(2 * time.Minute)
		if n := o.list()[0]; len(o.server.Messages()) != 0 || !strings.Contains(n.Text, "STARTTLS") || n.State != notice.Waiting {
			t.Errorf("without TLS: %+v", n)
		}
		o.server.Change(func() { o.server.NoTLS, o.server.User, o.server.Password = false, "dockline", "right" })
		password := "wrong"
		o.sender.Mail.User, o.sender.Mail.Password = "dockline", func() (string, error) { return password, nil }
		o.after(5 * time.Minute)
		if n := o.list()[0]; n.State != notice.Waiting || !strings.Contains(n.Text, "535") {
			t.Errorf("with a wrong password: %+v", n)
		}
		password = "right"
		o.after(10 * time.Minute)
		if n := o.list()[0]; n.State != notice.Sent || len(o.server.Messages()) != 1 {
			t.Errorf("with the right one: %+v", n)
		}
		o.to = nil
		o.put(2, 1)
		o.after(2 * time.Hour)
		if n := o.list()[0]; n.State != notice.Listed || !strings.Contains(n.Text, "team it has no address") {
			t.Errorf("to nobody: %+v", n)
		}
		o.sender.Mail = nil
		o.put(3, 1)
		o.after(2 * time.Hour)
		if n := o.list()[0]; n.State != notice.Listed || !strings.Contains(n.Text, "no mail is set up") {
			t.Errorf("without a server: %+v", n)
		}
	})
}
