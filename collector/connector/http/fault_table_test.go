package http_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// Everything that the sandbox ERP can answer to a posting, and every way in which it can fail to answer, is mapped to its class, with a code and
// with what a person does about it.
//
// Shows: S64
func TestEveryErrorHasItsClass(t *testing.T) {
	const technicalClass, dataClass, processClass = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, docklinev1.FaultClass_FAULT_CLASS_DATA, docklinev1.FaultClass_FAULT_CLASS_PROCESS
	w := openERP(t, noFaults, connectorhttp.Config{Timeout: 300 * time.Millisecond})
	open := func() string { return w.order(t, "10", "3").Number }
	// ended is an order that was cancelled; draft one that nobody confirmed.
	ended := open()
	if _, err := w.client.CancelOrder(t.Context(), ended, "not wanted"); err != nil {
		t.Fatal(err)
	}
	draft, err := w.client.CreateOrder(t.Context(), erp.NewOrder{Customer: "C-1002", Site: "dc-east", Lines: []erp.NewOrderLine{{Item: "SKU-1001", Quantity: decimal.NewFromInt(1)}}})
	if err != nil {
		t.Fatal(err)
	}
	full := w.order(t, "10").Number
	issued := settle(t, w.connector, issueOf(full, "S1", line("10", "SKU-1001", "10", "A-01-01"))).Documents[0].Number
	settle(t, w.connector, invoiceOf(full, "S1", issued))
	taken := w.order(t, "10").Number
	back := settle(t, w.connector, issueOf(taken, "S1", line("10", "SKU-1001", "10", "A-01-01"))).Documents[0].Number
	settle(t, w.connector, reversalOf(connector.GoodsIssueReversal, taken, taken+"/S1", back))
	elsewhere := issueOf(open(), "S1", line("10", "SKU-1001", "1", ""))
	elsewhere.Document.GetGoodsIssue().Site = "dc-nowhere"
	dozen := line("10", "SKU-1001", "1", "")
	dozen.Unit = "dozen"
	lot := line("10", "SKU-1001", "1", "")
	lot.Lot = "L1"
	late := issueOf(open(), "S1", line("10", "SKU-1001", "1", ""))
	late.PostingDate = "2026-02-27"
	wrongDay := issueOf(open(), "S1", line("10", "SKU-1001", "1", ""))
	wrongDay.PostingDate = "some day"
	if err := w.client.ClosePeriod(t.Context(), "2026-02-28"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p       *connector.Posting
		class   docklinev1.FaultClass
		code    string
		mode    sandbox.Mode
		unknown bool
	}{
		"unknown order":          {p: issueOf("SO-none", "S1", line("10", "SKU-1001", "1", "")), class: dataClass, code: "unknown_order"},
		"unknown line":           {p: issueOf(open(), "S1", line("90", "SKU-1001", "1", "")), class: dataClass, code: "unknown_order"},
		"unknown goods issue":    {p: invoiceOf(open(), "S1", "GI-none"), class: dataClass, code: "unknown_order"},
		"unknown item":           {p: issueOf(open(), "S1", line("10", "SKU-9", "1", "")), class: dataClass, code: "unknown_item"},
		"another item":           {p: issueOf(open(), "S1", line("10", "SKU-1002", "1", "")), class: dataClass, code: "unknown_item"},
		"unknown site":           {p: elsewhere, class: dataClass, code: "unknown_place"},
		"unknown bin":            {p: issueOf(open(), "S1", line("10", "SKU-1001", "1", "Z-99-99")), class: dataClass, code: "unknown_place"},
		"lot of an item without": {p: issueOf(open(), "S1", lot), class: dataClass, code: "lot"},
		"another unit":           {p: issueOf(open(), "S1", dozen), class: dataClass, code: "quantity"},
		"half a piece":           {p: issueOf(open(), "S1", line("10", "SKU-1001", "0.5", "")), class: dataClass, code: "quantity"},
		"no lines":               {p: issueOf(open(), "S1"), class: dataClass, code: "refused"},
		"a day that is none":     {p: wrongDay, class: dataClass, code: "refused"},
		"more than ordered":      {p: issueOf(open(), "S1", line("10", "SKU-1001", "11", "")), class: processClass, code: "over_issue"},
		"cancelled order":        {p: issueOf(ended, "S1", line("10", "SKU-1001", "1", "")), class: processClass, code: "order_not_open"},
		"order not confirmed":    {p: issueOf(draft.Number, "S1", line("10", "SKU-1001", "1", "")), class: processClass, code: "order_not_open"},
		"closed order":           {p: issueOf(full, "S2", line("10", "SKU-1001", "1", "")), class: processClass, code: "order_not_open"},
		"closed period":          {p: late, class: processClass, code: "period_closed"},
		"issue that is billed":   {p: reversalOf(connector.GoodsIssueReversal, full, full+"/S1", issued), class: processClass, code: "not_reversible"},
		"reversed already":       {p: reversalOf(connector.GoodsIssueReversal, taken, taken+"/S1#2", back), class: processClass, code: "not_reversible"},
		"unknown invoice":        {p: reversalOf(connector.InvoiceReversal, full, full+"/S1", "IN-none"), class: processClass, code: "not_reversible"},
		"bill of what is back":   {p: invoiceOf(taken, "S1", back), class: processClass, code: "not_reversible"},
		"amendment of no kind":   {p: amendmentOf(open(), "p1", "improve", amendmentLine("10", "SKU-1001", "1", "", "")), class: dataClass, code: "refused"},
		"server error":           {p: issueOf(open(), "S1", line("10", "SKU-1001", "1", "")), mode: sandbox.ErrorBefore, class: technicalClass, code: "server_error", unknown: true},
		"busy":                   {p: issueOf(open(), "S1", line("10", "SKU-1001", "1", "")), mode: sandbox.Busy, class: technicalClass, code: "busy"},
		"lost answer":            {p: issueOf(open(), "S1", line("10", "SKU-1001", "1", "")), mode: sandbox.LostAnswer, class: technicalClass, code: "connection", unknown: true},
		"no answer":              {p: issueOf(open(), "S1", line("10", "SKU-1001", "1", "")), mode: sandbox.TimeoutBefore, class: technicalClass, code: "timeout", unknown: true},
		"no answer, but done":    {p: issueOf(open(), "S1", line("10", "SKU-1001", "1", "")), mode: sandbox.TimeoutAfter, class: technicalClass, code: "timeout", unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.mode != "" {
				w.server.Faults().Next(c.mode)
			}
			_, err := w.connector.Apply(t.Context(), c.p)
			f := fault(t, err)
			if f.Class != c.class || f.Code != c.code || f.Unknown != c.unknown || f.Text == "" || f.Remedy == "" {
				t.Errorf("%s %s, unknown %v, %q, remedy %q; want %s %s, unknown %v", f.Class, f.Code, f.Unknown, f.Text, f.Remedy, c.class, c.code, c.unknown)
			}
			if (f.RetryAfter > 0) != (c.mode == sandbox.Busy) {
				t.Errorf("it is to be asked again after %s", f.RetryAfter)
			}
			if (f.OpenFrom == "2026-03-01") != (c.code == "period_closed") {
				t.Errorf("open from %q", f.OpenFrom)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		w.web.Stop()
		_, err := w.connector.Apply(t.Context(), late)
		if f := fault(t, err); f.Class != technicalClass || f.Code != "connection" || f.Unknown {
			t.Errorf("%+v", f)
		}
	})
}

// The same for the little that the sandbox CRM refuses, and for a token that is not the system's.
func TestEveryErrorOfTheCRMHasItsClass(t *testing.T) {
	dir := t.TempDir()
	s, err := crm.New(crm.Config{Dir: dir, Token: "right"})
	if err != nil {
		t.Fatal(err)
	}
	web := sandbox.NewServer("127.0.0.1:0", s)
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { web.Stop(); s.Close() })
	for i, c := range []struct {
		token, status string
		mode          sandbox.Mode
		class         docklinev1.FaultClass
		code          string
	}{
		{"right", "no such status", "", docklinev1.FaultClass_FAULT_CLASS_DATA, "unknown_status"},
		{"right", "accepted", sandbox.Busy, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, "busy"},
		{"right", "accepted", sandbox.ErrorBefore, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, "server_error"},
		{"wrong", "accepted", "", docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, "not_authorised"},
	} {
		file := filepath.Join(dir, fmt.Sprint("token", i))
		if err := os.WriteFile(file, []byte(c.token), 0o600); err != nil {
			t.Fatal(err)
		}
		con := open(t, connectorhttp.Config{URL: web.URL(), Definition: "sandbox-crm", Auth: connectorhttp.Auth{BearerFile: file}})
		if c.mode != "" {
			s.Faults().Next(c.mode)
		}
		_, err := con.Apply(t.Context(), statusOf(fmt.Sprintf("SO%d", i), c.status, 1))
		if f := fault(t, err); f.Class != c.class || f.Code != c.code || f.Remedy == "" {
			t.Errorf("%s, %s, %q: %s %s", c.token, c.status, c.mode, f.Class, f.Code)
		}
	}
}
