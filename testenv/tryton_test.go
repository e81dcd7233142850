package testenv_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/dockline/dockline/testenv"
)

func TestTrytonLetsTheConnectorLogIn(t *testing.T) {
	db := testenv.Tryton(t)
	body, err := json.Marshal(map[string]any{"id": 1, "method": "common.db.login", "params": []any{db.Login, map[string]string{"password": db.Password}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(db.URL, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var reply struct {
		Result []any `json:"result"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || len(reply.Result) != 2 {
		t.Fatalf("%s: %v, %v", resp.Status, reply, err)
	}
}
