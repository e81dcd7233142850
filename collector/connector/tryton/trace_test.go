package tryton_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/connector"
)

// Who tries the connector sees each request and its answer, and neither the password nor the session's key.
func TestRequestsAreShownWithoutSecrets(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	var seen []connector.Exchange
	ctx := connector.WithTrace(t.Context(), func(e connector.Exchange) { seen = append(seen, e) })
	if _, err := c.Probe(ctx); err != nil {
		t.Fatal(err)
	}
	var logins, searches int
	for _, e := range seen {
		text := fmt.Sprintf("%+v", e)
		if strings.Contains(text, d.db.Password) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(d.db.Login))[:8]) {
			t.Errorf("%s is shown with a secret", text)
		}
		if e.Purpose == "login" {
			logins++
		}
		if strings.Contains(e.Body, "model.stock.location.search_read") && strings.Contains(e.Answer, "dc-east") && e.Status == 200 && e.Took > 0 {
			searches++
		}
	}
	if logins != 1 || searches != 1 {
		t.Errorf("shown are %d log-ins and %d searches of warehouses, expected one each: %+v", logins, searches, seen)
	}
}
