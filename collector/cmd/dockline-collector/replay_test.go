package main

import (
	"strings"
	"testing"
)

// A token stands for the keys of its dry run: one that is given with others is refused, before anything is opened.
func TestReplayOfAnotherSelectionIsRefused(t *testing.T) {
	c := replayKeysCommand{Tenant: "main", Site: "dc-east", Do: true, Token: "8-84574bd7", Reason: "test"}
	if err := c.Run(&commands{Config: "none.yaml"}); err == nil || !strings.Contains(err.Error(), "leave out --site") {
		t.Errorf("%v", err)
	}
	c.Site = ""
	if err := c.Run(&commands{Config: "none.yaml"}); err == nil || strings.Contains(err.Error(), "--token") {
		t.Errorf("%v, want that there is no such configuration", err)
	}
}
