package order_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// otherSite is one that the ERP knows and the world has not.
const otherSite = "dc-west"

// submission is what the collector says of an order that was handed in.
type submission struct {
	Status   string
	Orders   []string
	Reasons  []string
	Postings []struct{ Kind, Key, State string }
}

// desk hands orders in at a world's collector, as a shop does.
type desk struct {
	*testing.T
	*world.World
}

func (d desk) post(key, body string) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(d.Context(), http.MethodPost, d.ConsoleURL+"api/v1/orders?tenant="+d.Config.Tenant, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// insist sends until there is an answer, as a shop does whose line breaks, or that is told to ask again.
func (d desk) insist(key, body string) (status int, answer string) {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		status, answer, err := d.post(key, body)
		if err == nil && !(status == http.StatusConflict && strings.Contains(answer, "under way")) && status < 500 {
			return status, answer
		}
		if time.Now().After(deadline) {
			d.Errorf("no answer under %s: %d %s %v", key, status, answer, err)
			return status, answer
		}
		select {
		case <-d.Context().Done():
			return status, answer
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// follow waits until the order that was handed in has come as far as wanted.
func (d desk) follow(number, status string) submission {
	d.Helper()
	var last submission
	testenv.Eventually(d.T, 2*time.Minute, "order "+number+" is "+status, func() bool {
		resp, err := http.Get(d.ConsoleURL + "api/v1/submissions/" + number + "?tenant=" + d.Config.Tenant)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var page struct{ Submissions []submission }
		if json.NewDecoder(resp.Body).Decode(&page) != nil || len(page.Submissions) != 1 {
			return false
		}
		last = page.Submissions[0]
		confirmed := !slices.ContainsFunc(last.Postings, func(p struct{ Kind, Key, State string }) bool { return p.State != "confirmed" })
		return last.Status == status && confirmed
	})
	return last
}

// inERP are the orders that the ERP has of a number.
func (d desk) inERP(number string) []erp.Order {
	d.Helper()
	found, err := d.ERP.(interface {
		OrdersOf(ctx context.Context, reference string) ([]erp.Order, error)
	}).OrdersOf(d.Context(), number)
	if err != nil {
		d.Fatal(err)
	}
	return found
}

func (d desk) command(stdin string, args ...string) (code int, said string) {
	d.Helper()
	cmd := exec.CommandContext(d.Context(), filepath.Join(d.Config.Bin, "dockline-collector"), append(args, "--config", filepath.Join(d.Config.Dir, "collector.yaml"))...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		d.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// TestOrderHandedIn: a shop sends one order many times at once under one key, while the ERP's answers are lost and the collector is killed and started
// again, twice; then again under other keys, and by command. All are told the same, the ERP has it once, and what the ERP says of it comes back. What
// differs under a key, or under the order's number, is refused; what the ERP does not take is told with its reason.
//
// Shows: S2, S20, S32
func TestOrderHandedIn(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 21, Sites: []string{world.FileSite}})
	d := desk{t, w}
	customer, item := w.ERP.Master().Customers[0].Code, w.ERP.Master().Items[0].Code
	body := func(number, customer, quantity string) string {
		return `{"number":"` + number + `","customer":"` + customer + `","channel":"shop","site":"` + world.FileSite + `","lines":[{"item":"` + item + `","quantity":` + quantity + `}]}`
	}
	once := body("PO-1", customer, "2")
	answers := d.thenKilled("key-1", once)
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("two answers under one key: %s and %s", answers[0], a)
		}
	}
	got := d.follow("PO-1", "accepted")
	if there := d.inERP("PO-1"); len(there) != 1 || len(got.Orders) != 1 || there[0].Number != got.Orders[0] || there[0].Status != erp.Confirmed || len(got.Postings) != 1 || got.Postings[0].Kind != "order_create" {
		t.Fatalf("the ERP has %+v, and the collector says %+v", there, got)
	}
	for what, c := range map[string]struct {
		key, body string
		status    int
		text      string
	}{
		"another key":                          {"key-2", once, http.StatusCreated, `"known":true`},
		"no key":                               {"", once, http.StatusBadRequest, "Idempotency-Key"},
		"another body under the key":           {"key-1", body("PO-1", customer, "3"), http.StatusUnprocessableEntity, "another request"},
		"another order under the number":       {"key-3", body("PO-1", customer, "3"), http.StatusConflict, "a number of its own"},
		"a field that is wrong, and is named":  {"key-4", body("PO-2", customer, "-1"), http.StatusUnprocessableEntity, `"field":"lines[0].quantity"`},
		"the same key for the corrected order": {"key-5", body("PO-2", customer, "1"), http.StatusCreated, `"known":false`},
	} {
		if status, answer := d.insist(c.key, c.body); status != c.status || !strings.Contains(answer, c.text) {
			t.Errorf("%s: %d %s, want %d %s", what, status, answer, c.status, c.text)
		}
	}
	for stdin, want := range map[string]struct {
		code int
		text string
	}{once: {0, "was handed in before, and nothing has changed"}, body("PO-3", customer, "4"): {0, "is taken in"},
		body("PO-1", customer, "9"): {2, "a number of its own"}, `{"number":"PO-4"}`: {2, "customer: is missing"}} {
		if code, said := d.command(stdin, "order", "submit", "-", "--tenant", w.Config.Tenant); code != want.code || !strings.Contains(said, want.text) {
			t.Errorf("order submit of %s: %d %s, want %d %s", stdin, code, said, want.code, want.text)
		}
	}
	if status, answer := d.insist("key-6", body("PO-5", "C-nobody", "1")); status != http.StatusCreated {
		t.Errorf("of a customer whom the ERP does not know: %d %s", status, answer)
	}
	if refused := d.follow("PO-5", "rejected"); len(refused.Reasons) != 1 || !strings.Contains(refused.Reasons[0], "C-nobody") {
		t.Errorf("PO-5 is %+v", refused)
	}
	d.follow("PO-2", "accepted")
	d.follow("PO-3", "accepted")
	for number, quantity := range map[string]string{"PO-1": "2", "PO-2": "1", "PO-3": "4"} {
		if there := d.inERP(number); len(there) != 1 || there[0].Lines[0].Quantity.String() != quantity {
			t.Errorf("the ERP has of %s: %+v", number, there)
		}
	}
	d.changed(strings.NewReplacer(`"`+world.FileSite+`"`, `"`+otherSite+`"`).Replace(body("PO-6", customer, "2")), strings.NewReplacer(`"`+world.FileSite+`"`, `"`+otherSite+`"`).Replace(body("PO-7", customer, "3")))
}

// changed hands two orders in for a site that does nothing, and has one of them moved to the site that works, which ships it, and some of the other
// split off: the ERP does it, as it was asked.
func (d desk) changed(move, split string) {
	d.Helper()
	if code, said := d.command("", "site", "add", d.Config.Tenant+"/"+otherSite); code != 0 {
		d.Fatal(said)
	}
	for key, order := range map[string]string{"key-7": move, "key-8": split} {
		if status, answer := d.insist(key, order); status != http.StatusCreated {
			d.Fatalf("%d %s", status, answer)
		}
	}
	moved, halved := d.follow("PO-6", "accepted").Orders[0], d.follow("PO-7", "accepted").Orders[0]
	act := func(want string, args ...string) {
		d.Helper()
		testenv.Eventually(d.T, time.Minute, strings.Join(args, " "), func() bool { // the order may be on its way to be released
			code, said := d.command("", append(args, "--tenant", d.Config.Tenant, "--reason", "full")...)
			return code == 0 && strings.Contains(said, want)
		})
	}
	act("asked to have site "+world.FileSite+" ship it", "order", "move", moved, "--to", world.FileSite)
	act("1 of line 10", "order", "split", halved, "--line", "10=1")
	testenv.Eventually(d.T, 2*time.Minute, "the ERP has moved "+moved+", whose goods have left, and split "+halved, func() bool {
		there, parts := d.inERP("PO-6"), d.inERP("PO-7")
		return len(there) == 1 && there[0].Site == world.FileSite && there[0].Status == erp.Closed && len(parts) == 2
	})
}

// thenKilled has ten send one order while the collector is killed and started again: when the first of them is under way, and when one has been told
// that it is taken in, with the ERP's answers lost. It returns what they were told.
func (d desk) thenKilled(key, body string) []string {
	d.Helper()
	d.ERP.Faults().Next(sandbox.LostAnswer)
	d.ERP.Faults().Next(sandbox.LostAnswer)
	const senders = 10
	var wait sync.WaitGroup
	told := make(chan string, senders)
	begun := make(chan struct{}, senders)
	for range senders {
		wait.Go(func() {
			begun <- struct{}{}
			status, answer := d.insist(key, body)
			if status != http.StatusCreated {
				d.Errorf("%d %s", status, answer)
			}
			told <- answer
		})
	}
	<-begun
	d.Collector.Kill()
	if err := d.RestartCollector(d.Context()); err != nil {
		d.Fatal(err)
	}
	answers := []string{<-told}
	d.Collector.Kill()
	if err := d.RestartCollector(d.Context()); err != nil {
		d.Fatal(err)
	}
	wait.Wait()
	close(told)
	for a := range told {
		answers = append(answers, a)
	}
	for range 3 {
		status, answer := d.insist(key, body)
		if status != http.StatusCreated {
			d.Errorf("again: %d %s", status, answer)
		}
		answers = append(answers, answer)
	}
	return answers
}
