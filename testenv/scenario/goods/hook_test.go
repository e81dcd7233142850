package goods_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// nordwind is a carrier that signs what it sends.
type nordwind struct {
	t   *testing.T
	w   *world.World
	key []byte
}

// send posts a message, signed as of a moment, and returns the answer.
func (n *nordwind) send(id, kind, body string, at time.Time) (int, string) {
	n.t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, n.key)
	mac.Write([]byte(id + "." + stamp + "." + body))
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.w.ConsoleURL+"hooks/carriers/nordwind", strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", stamp)
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// interchange is a 214 about one parcel, with the statuses and what stands beside them.
func interchange(tracking string, at time.Time, segments ...string) string {
	body := append([]string{"B10*" + tracking + "**NWLG", "LX*1"}, segments...)
	return fmt.Sprintf("ISA*00*          *00*          *02*NWLG           *ZZ*DOCKLINE       *%s*%s*U*00401*000000001*0*P*>~GS*QM*NWLG*DOCKLINE*%s*%s*1*X*004010~ST*214*0001~%s~SE*%d*0001~GE*1*1~IEA*1*000000001~",
		at.Format("060102"), at.Format("1504"), at.Format("20060102"), at.Format("1504"), strings.Join(body, "~"), len(body)+2)
}

// A carrier sends by itself where a parcel is: as JSON, as a 214 in a message, and as a 214 in a file. All of it is at the shipment, with every
// expected arrival that was told; what is sent again changes nothing, an old message is refused, and a set that cannot be read is kept as a dead letter.
//
// Shows: S38, S49
func TestACarrierSendsByItself(t *testing.T) {
	key := []byte("a key of twenty-four by.")
	w := worldtest.Open(t, world.Config{Seed: 24, Sites: []string{world.FileSite}, Hooks: "whsec_" + base64.StdEncoding.EncodeToString(key)})
	worldtest.Orders(t, w, 2)
	worldtest.Settle(t, w, 5*time.Minute)
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var tracking, shipment string
	for _, issue := range truth.Issues {
		if issue.Tracking != "" {
			tracking, shipment = issue.Tracking, event.ShipmentKey(issue.Site, issue.Shipment)
		}
	}
	if tracking == "" {
		t.Fatal("no parcel left the dock")
	}
	n := &nordwind{t, w, key}
	now := time.Now().UTC().Truncate(time.Minute)
	first, second := now.Add(24*time.Hour), now.Add(48*time.Hour)
	picked := fmt.Sprintf(`{"statuses":[{"tracking":%q,"status":"picked_up","at":%q,"place":"Hamburg","eta":%q}]}`, tracking, now.Add(-3*time.Minute).Format(time.RFC3339), first.Format(time.RFC3339))
	for i, want := range []string{`"known":false`, `"known":true`} {
		if status, text := n.send("m1", "application/json", picked, time.Now()); status != http.StatusOK || !strings.Contains(text, want) {
			t.Fatalf("time %d: %d %s", i+1, status, text)
		}
	}
	if status, text := n.send("m1", "application/json", picked, time.Now().Add(-10*time.Minute)); status != http.StatusUnauthorized {
		t.Errorf("an old message: %d %s", status, text)
	}
	late := interchange(tracking, now, "AT7*X6*NS***"+now.Add(-2*time.Minute).Format("20060102*1504")+"*UT", "MS1*BREMEN**DE", "AT7*AG*AO***"+second.Format("20060102*1504")+"*UT")
	if status, text := n.send("m2", "application/edi-x12", late, time.Now()); status != http.StatusOK || !strings.Contains(text, `"taken":2`) {
		t.Fatalf("a 214: %d %s", status, text)
	}
	if status, text := n.send("m3", "application/edi-x12", strings.Replace(late, "AT7*X6", "AT7*ZZ", 1), time.Now()); status != http.StatusUnprocessableEntity || !strings.Contains(text, `"element":"AT701"`) {
		t.Errorf("a code that is not known: %d %s", status, text)
	}
	worldtest.Until(t, "both expected arrivals at the shipment", patience, func() (bool, error) {
		g, err := w.Goods(t.Context(), shipment)
		return len(g.State.Etas) == 2 && len(g.State.Milestones) >= 3, err
	})
	g, err := w.Goods(t.Context(), shipment)
	if err != nil {
		t.Fatal(err)
	}
	told := g.State.Etas
	if told[0].Eta != first.Format(time.RFC3339) || told[1].Eta != second.Format(time.RFC3339) || told[1].FormerEta != first.Format(time.RFC3339) || told[1].Cause != "weather" {
		t.Errorf("expected arrivals: %+v", told)
	}

	if out, err := command(t.Context(), t, w, "show", "--tenant", w.Config.Tenant, shipment); err != nil || strings.Count(out, "expected ") != 2 || !strings.Contains(out, "(weather)") {
		t.Errorf("show: %v: %s", err, out)
	}

	file := filepath.Join(t.TempDir(), "delivered.edi")
	text := interchange(tracking, now, "AT7*D1*NS***"+now.Format("20060102*1504")+"*UT", "MS1*ANTWERPEN**BE")
	text = strings.Replace(text, "GE*1*1", "ST*214*0002~B10*"+tracking+"**NWLG~LX*1~AT7*D1*NS***20261399*1200*UT~SE*5*0002~GE*2*1", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // the second time nothing is new
		out, err := imported(t.Context(), t, w, file)
		if err == nil || !strings.Contains(out, "segment 12, AT705") {
			t.Errorf("time %d: %v: %s", i+1, err, out)
		}
	}
	worldtest.Until(t, "the parcel is delivered", patience, func() (bool, error) {
		g, err := w.Goods(t.Context(), shipment)
		return len(g.State.Proofs) == 1 && g.State.Proofs[0].Place == "ANTWERPEN, BE", err
	})
	worldtest.Until(t, "one dead letter", patience, func() (bool, error) {
		out, err := command(t.Context(), t, w, "exceptions", "list", "--tenant", w.Config.Tenant, "--json")
		return strings.Count(out, `"carrier_message"`) == 1, err
	})
}

func imported(ctx context.Context, t *testing.T, w *world.World, file string) (string, error) {
	return command(ctx, t, w, "import", "--tenant", w.Config.Tenant, "--format", "x12", "--source", "nordwind", file)
}

func command(ctx context.Context, t *testing.T, w *world.World, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(worldtest.Bin(t), "dockline-collector"), append(args, "--config", filepath.Join(w.Config.Dir, "collector.yaml"))...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
