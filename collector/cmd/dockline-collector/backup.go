package main

import (
	"fmt"

	"github.com/dockline/dockline/collector"
)

type backupCommand struct {
	Out string `required:"" type:"path" help:"The file to write; it must not be there."`
}

// Run copies the database; the collector may be at work.
func (c *backupCommand) Run(all *commands) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	if err := collector.Backup(ctx, config, c.Out); err != nil {
		return err
	}
	fmt.Printf("wrote %s\nKeep with it: %s, the policy folder, and %s, without which every site needs a new certificate.\n", c.Out, all.Config, config.Path("identity"))
	return nil
}

type restoreCommand struct {
	person
	From string `xor:"what" type:"existingfile" help:"A file that backup wrote. The collector must be stopped."`
	Mark bool   `xor:"what" help:"The database was put back by other means (pg_restore, a snapshot): say so to it. Before the collector starts, or beside it."`
}

// Run puts a backup in place, or marks a database that was put back.
func (c *restoreCommand) Run(all *commands) error {
	if c.From == "" && !c.Mark {
		return wrong("restore: give --from FILE, or --mark for a database that was put back by other means")
	}
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	const next = "Sites send again what is missing, and what was posted meanwhile is found in the systems of record before anything is sent."
	if c.Mark {
		if err := collector.MarkRestored(ctx, config, c.name()); err != nil {
			return err
		}
		fmt.Println("the database knows that it was put back.", next)
		return nil
	}
	kept, err := collector.Restore(ctx, config, c.From, c.name())
	if err != nil {
		return err
	}
	fmt.Printf("restored %s. %s\n", c.From, next)
	if kept != "" {
		fmt.Printf("The database that was there is kept as %s.\n", kept)
	}
	return nil
}
