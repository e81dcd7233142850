package scale_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// TestRollingUpgrade replaces collectors one by one under traffic. The newer build has a further migration that adds a table and a column to one
// that is written all the time: the older one goes on working beside it, may even be started again, and hands over when it is asked to end.
// Then the database says, as a migration does that takes something away, that builds without that migration must not go on: the older one ends
// by itself, says what to do, and does not start again. In the end everything is in log and ERP once.
//
// Shows: S73
func TestRollingUpgrade(t *testing.T) {
	now := filepath.Join(programs.Dir(t), "dockline-collector")
	next := newerBuild(t, "CREATE TABLE of_next (tenant {{text}} NOT NULL PRIMARY KEY);\nALTER TABLE inbox ADD COLUMN of_next BIGINT NOT NULL DEFAULT 0;\n")
	c := openCentre(t, testenv.PostgreSQL(t), 3)
	for _, s := range c.master.Sites {
		c.openSite(s.Code)
	}
	c.order(8)
	a, b := c.add("a", now, ""), c.add("b", now, "")
	c.start(a)
	c.start(b)
	c.everybody(1)

	// N+1 comes while N works, and takes over from one of them.
	work := c.start1()
	newer := c.add("c", next, "")
	c.start(newer)
	a.Stop()
	if held := c.outlived(a); len(held) > 0 {
		t.Errorf("the older collector kept %v when it was replaced", held)
	}
	done(t, work)
	c.everybody(2)
	c.goOn(b, newer)
	// N may be started again meanwhile, as after a crash.
	b.Kill()
	c.start(b)
	c.everybody(2)
	c.goOn(b, newer)

	err := c.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO meta (name, value) VALUES ('oldest', ?)`, fmt.Sprint(db.Schema()+1))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	work = c.start1()
	c.until("the older collector has ended", func() bool { return !b.Running() })
	for _, says := range []string{"the database is that of a newer version", "start the newer version in its place"} {
		if n, err := b.Said(says); err != nil || n == 0 {
			t.Errorf("it does not say %q (%v): %s", says, err, b.LogTail())
		}
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	c.until("the older collector does not start any more", func() bool { return !b.Running() })
	done(t, work)
	c.everybody(1)
	c.settled()
	c.goOn(newer)
	c.agree()
}

func done(t *testing.T, work func() error) {
	t.Helper()
	if err := work(); err != nil {
		t.Fatal(err)
	}
}

// goOn fails the test where one of the collectors has ended.
func (c *centre) goOn(all ...*collector) {
	c.t.Helper()
	for _, m := range all {
		if !m.Running() {
			c.t.Fatalf("collector %s has ended: %s", m.name, m.LogTail())
		}
	}
}

// newerBuild is a collector as it may be some day: with one more migration.
func newerBuild(t *testing.T, sql string) string {
	t.Helper()
	dir := testenv.Folder(t)
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "migration.sql")
	if err := os.WriteFile(file, []byte("-- +goose Up\n"+sql), 0o600); err != nil {
		t.Fatal(err)
	}
	replaced := map[string]string{filepath.Join(root, fmt.Sprintf("collector/db/migrations/%04d_next.sql", db.Schema()+1)): file}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "dockline-collector-next")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-ldflags", "-X github.com/dockline/dockline/proto/wire.Version=next", "-o", program, testenv.CollectorProgram.Package)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, strings.TrimSpace(string(out)))
	}
	return program
}
