package erp

import (
	"net/http"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Product is what /api/about answers with.
const (
	Product = "sandbox-erp"
	Version = "1.0"
)

func (s *Server) reads(mux *http.ServeMux) {
	get := func(path string, answer func(w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			answer(w, r)
		})
	}
	get("/health", func(w http.ResponseWriter, r *http.Request) {
		sandbox.Write(w, http.StatusOK, map[string]bool{"ok": true})
	})
	get("/api/about", func(w http.ResponseWriter, r *http.Request) {
		sandbox.Write(w, http.StatusOK, map[string]string{"product": Product, "version": Version})
	})
	get("/api/schema", func(w http.ResponseWriter, r *http.Request) {
		sandbox.Write(w, http.StatusOK, map[string]any{"fields": s.schema.fields()})
	})
	get("/api/items", func(w http.ResponseWriter, r *http.Request) { sandbox.WritePage(w, r, s.store.master.Items) })
	get("/api/customers", func(w http.ResponseWriter, r *http.Request) { sandbox.WritePage(w, r, s.store.master.Customers) })
	get("/api/sites", func(w http.ResponseWriter, r *http.Request) { sandbox.WritePage(w, r, s.store.master.Sites) })
	get("/api/catalogue/bins", s.serveBins)
	mux.HandleFunc("GET /api/catalogue/items", s.catalogue.serve) // beside the lock of the documents
	get("/api/stock", s.getStock)
	get("/api/changes", s.getChanges)
	get("/api/calls", s.getCalls)
	s.readDocuments(get)
}

func (s *Server) readDocuments(get func(string, func(http.ResponseWriter, *http.Request))) {
	get("/api/sales-orders", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, s.store.orders.asked(r, func(o Order) bool {
			return sandbox.Matches(r, "status", o.Status) && sandbox.Matches(r, "site", o.Site) && sandbox.Matches(r, "customer_reference", o.CustomerReference) && s.since(r, KindOrder, o.Number)
		}))
	})
	get("/api/goods-issues", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, s.store.issues.asked(r, func(i GoodsIssue) bool {
			return sandbox.Matches(r, "order", i.Order) && sandbox.Matches(r, "site", i.Site) && s.since(r, KindIssue, i.Number)
		}))
	})
	get("/api/invoices", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, s.store.invoices.asked(r, func(i Invoice) bool {
			return sandbox.Matches(r, "order", i.Order) && s.since(r, KindInvoice, i.Number)
		}))
	})
	get("/api/stock-adjustments", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, s.store.adjustments.asked(r, func(a Adjustment) bool {
			return sandbox.Matches(r, "site", a.Site) && s.since(r, KindAdjustment, a.Number)
		}))
	})
	get("/api/order-amendments", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, s.store.amendments.asked(r, func(a Amendment) bool {
			return sandbox.Matches(r, "order", a.Order) && s.since(r, KindAmendment, a.Number)
		}))
	})
	get("/api/backorders", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, s.store.backorders.list(func(b Backorder) bool { return sandbox.Matches(r, "order", b.Order) }))
	})
	listReversals := func(path, kind string, d *documents[Reversal]) {
		get(path, func(w http.ResponseWriter, r *http.Request) {
			sandbox.WritePage(w, r, d.asked(r, func(v Reversal) bool {
				return sandbox.Matches(r, "order", v.Order) && s.since(r, kind, v.Number)
			}))
		})
	}
	listReversals("/api/goods-issue-reversals", KindIssueReversal, &s.store.issueReversals)
	listReversals("/api/invoice-reversals", KindInvoiceReversal, &s.store.invoiceReversals)
	listReversals("/api/return-receipt-reversals", KindReceiptReversal, &s.store.receiptReversals)
	listReversals("/api/credit-reversals", KindCreditReversal, &s.store.creditReversals)
	getOne(get, "/api/order-amendments/{number}", &s.store.amendments)
	getOne(get, "/api/backorders/{number}", &s.store.backorders)
	getOne(get, "/api/sales-orders/{number}", &s.store.orders)
	getOne(get, "/api/goods-issues/{number}", &s.store.issues)
	get("/api/credit-memos", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, s.store.credits.list(func(m CreditMemo) bool {
			return m.Status != Deleted && sandbox.Matches(r, "external_reference", m.ExternalReference) && sandbox.Matches(r, "order", m.Order) && s.since(r, KindCreditMemo, m.Number)
		}))
	})
	get("/api/return-receipts", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, s.store.receipts.list(func(v ReturnReceipt) bool {
			return sandbox.Matches(r, "external_reference", v.ExternalReference) && sandbox.Matches(r, "order", v.Order) && sandbox.Matches(r, "site", v.Site) && s.since(r, KindReturnReceipt, v.Number)
		}))
	})
	getOne(get, "/api/returns/{number}", &s.store.returns)
	getOne(get, "/api/invoices/{number}", &s.store.invoices)
	getOne(get, "/api/stock-adjustments/{number}", &s.store.adjustments)
}

// since says whether a document was made or changed since the time that a request names; one that names none asks for all.
func (s *Server) since(r *http.Request, kind, number string) bool {
	changed, known := s.store.changed[kind+"/"+number]
	return !known || sandbox.Since(r, changed)
}

func getOne[T any](get func(string, func(http.ResponseWriter, *http.Request)), path string, d *documents[T]) {
	get(path, func(w http.ResponseWriter, r *http.Request) {
		doc, known := d.byNumber[r.PathValue("number")]
		if !known {
			sandbox.WriteError(w, http.StatusNotFound, "not_found", "there is no "+r.PathValue("number"))
			return
		}
		sandbox.Write(w, http.StatusOK, doc)
	})
}

// getStock answers with the whole scope at once: one moment of the book, named as_of.
func (s *Server) getStock(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if site := q.Get("site"); site != "" && s.store.bins[site] == nil {
		sandbox.WriteError(w, http.StatusNotFound, "unknown_site", "there is no site "+site)
		return
	}
	sandbox.Write(w, http.StatusOK, map[string]any{"as_of": s.config.Now().UTC(), "change": len(s.store.changes),
		"items": s.store.stockLines(q.Get("site"), q.Get("bin"), q.Get("item"), q.Get("lot"))})
}

// getChanges answers with the changes after "since", a number of the feed; next is the number to ask with then.
func (s *Server) getChanges(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	query.Set("after", query.Get("since"))
	r.URL.RawQuery = query.Encode()
	window, next, more := sandbox.Page(r, s.store.changes)
	if window == nil {
		window = []Change{}
	}
	sandbox.Write(w, http.StatusOK, map[string]any{"changes": window, "next": next, "more": more})
}

// getCalls lists what the ERP was told, oldest first.
func (s *Server) getCalls(w http.ResponseWriter, r *http.Request) {
	sandbox.WritePage(w, r, sandbox.CallsOf(r, s.store.calls))
}
