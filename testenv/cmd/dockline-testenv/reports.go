package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dockline/dockline/testenv/capability"
	"github.com/dockline/dockline/testenv/results"
)

const module = "github.com/dockline/dockline"

type resultsCommand struct {
	File string `arg:"" help:"Output of go test -json."`
}

// Run prints the report, and the same into results.txt beside the file.
func (c *resultsCommand) Run() error {
	run, err := readResults(c.File)
	if err != nil {
		return err
	}
	report, err := os.Create(filepath.Join(filepath.Dir(c.File), "results.txt"))
	if err != nil {
		return err
	}
	defer report.Close()
	run.Print(io.MultiWriter(os.Stdout, report))
	passed, failed, _ := run.Count()
	if failed > 0 {
		return fmt.Errorf("%d failed", failed)
	}
	if passed == 0 {
		return errors.New("no test ran")
	}
	return nil
}

func readResults(path string) (*results.Results, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return results.Read(file)
}

type capabilitiesCommand struct {
	File string `arg:"" help:"Output of go test -json."`
}

func (c *capabilitiesCommand) Run() error {
	run, err := readResults(c.File)
	if err != nil {
		return err
	}
	delivered, err := capability.Delivered("docs/delivered.txt")
	if err != nil {
		return err
	}
	shown, err := capability.Scan(".", module)
	if err != nil {
		return err
	}
	page := capability.Page(delivered, shown, module)
	before, err := os.ReadFile("docs/capabilities.md")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if string(before) != page {
		if err := os.WriteFile("docs/capabilities.md", []byte(page), 0o644); err != nil {
			return err
		}
		fmt.Println("docs/capabilities.md was out of date and is written anew: commit it")
	}
	faults := capability.Check(delivered, shown, run)
	for _, fault := range faults {
		fmt.Println(fault)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d delivered capabilities are not shown, or servers were missing", len(faults))
	}
	fmt.Printf("%d delivered numbers, each shown by a test that passed\n", len(delivered))
	return nil
}
