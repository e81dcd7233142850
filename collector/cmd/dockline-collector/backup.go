package main

import (
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
)

type backupCommand struct {
	Out      string `required:"" type:"path" help:"The file to write; it must not be there."`
	Portable bool   `help:"Of SQLite: write the form of which PostgreSQL can be restored too. Of PostgreSQL it is always that."`
	JSON     bool   `name:"json" help:"Print what was written, for scripts."`
}

// Help is shown below the usage.
func (backupCommand) Help() string {
	return `The copy is of one moment; the collector may be at work. It is read back and checked before it has its name. Of PostgreSQL no tool of its own is needed,
and pg_dump may be used in its place (docs/operations.md).

It does not hold the archives that "retention run" wrote: they are files, and are copied as such.`
}

// Run copies the database; the collector may be at work.
func (c *backupCommand) Run(all *commands) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	if err := notThere("out", c.Out); err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	info, err := collector.Backup(ctx, config, c.Out, c.Portable)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(info)
	}
	fmt.Printf("wrote %s: %d rows, %d bytes\nKeep with it: %s, the policy folder, and %s, without which every site needs a new certificate.\n", c.Out, info.Total(), info.Bytes, all.Config, config.Path("identity"))
	return nil
}

type restoreCommand struct {
	person
	From  string `xor:"what" type:"existingfile" help:"A file that backup wrote. Every collector must be stopped."`
	Mark  bool   `xor:"what" help:"The database was put back by other means (pg_restore, a snapshot): say so to it. Before the collector starts, or beside it."`
	Check bool   `help:"With --from: only read the file to its end, and say what it holds and whether it is whole."`
	JSON  bool   `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (restoreCommand) Help() string {
	return `The database that was there is kept: of SQLite beside it as a file, of PostgreSQL in a schema of its own, which you drop when you no longer need it. The new one is
made ready and checked beside it; only then they change places. A backup of an older version is brought to this one.

A restored database has a new incarnation. Sites see it and send again what they have kept and it does not know; what is lost is a gap that people are
told of. Nothing is posted twice: what was told meanwhile is looked for in the systems of record first.

A standby that was promoted is a restored database too, unless it was a synchronous one: then it has all that was acknowledged. Say --mark otherwise.`
}

// Run puts a backup in place, or marks a database that was put back.
func (c *restoreCommand) Run(all *commands) error {
	if c.From == "" && !c.Mark {
		return wrong("restore: give --from FILE, or --mark for a database that was put back by other means")
	}
	ctx, stop := interruptible()
	defer stop()
	if c.Check {
		info, err := db.Look(ctx, c.From)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(info)
		}
		fmt.Printf("%s is whole: of %s, as of %s, tables of version %d, incarnation %s, %d rows in %d tables, %d bytes\n", c.From, info.Engine, stamp(info.At), info.Version,
			info.Incarnation, info.Total(), len(info.Rows), info.Bytes)
		return nil
	}
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	const next = "Sites send again what is missing, and what was posted meanwhile is found in the systems of record before anything is sent."
	if c.Mark {
		if err := collector.MarkRestored(ctx, config, c.name()); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(restoredJSON{Marked: true})
		}
		fmt.Println("the database knows that it was put back.", next)
		return nil
	}
	kept, err := collector.Restore(ctx, config, c.From, c.name())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(restoredJSON{From: c.From, Kept: kept})
	}
	fmt.Printf("restored %s. %s\n", c.From, next)
	switch {
	case strings.HasPrefix(kept, "dockline_before_restore_"):
		fmt.Printf("The tables that were there are kept in the schema %s; to be rid of them: DROP SCHEMA %s CASCADE\n", kept, kept)
	case kept != "":
		fmt.Printf("The database that was there is kept as %s.\n", kept)
	}
	return nil
}

// restoredJSON is what a restore came to, as --json prints it: from which file, where what was there is kept, or that it was only marked.
type restoredJSON struct {
	From   string `json:"from,omitempty"`
	Kept   string `json:"kept,omitempty"`
	Marked bool   `json:"marked,omitempty"`
}
