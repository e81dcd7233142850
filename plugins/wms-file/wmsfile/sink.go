package wmsfile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/dockline/dockline/plugins/work"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sink writes commands into the inbound folder, each once.
type sink struct {
	mu    sync.Mutex
	setup *setup
	done  *ledger
	// partner is who speaks X12.
	partner *partner
	in      inbox
}

func newSink(s *setup, dataDir string, with *partner, in inbox) (*sink, error) {
	l, err := openLedger(filepath.Join(dataDir, "commands.jsonl"))
	if err != nil {
		return nil, err
	}
	return &sink{setup: s, done: l, partner: with, in: in}, nil
}

// deliver writes a command's file. First the file stands whole under a temporary name, then the ledger says that it will be
// renamed, then it is: whatever ends the process in between, the next delivery knows whether the WMS may have seen it.
func (s *sink) deliver(_ context.Context, cmd *docklinev1.Command) (*docklinev1.CommandResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, known := s.done.find(cmd.GetKey())
	switch {
	case known && held.Version > cmd.GetVersion():
		return result(cmd, docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED, fmt.Sprintf("version %d has been applied before", held.Version)), nil
	case known && held.Version == cmd.GetVersion() && held.State == stateRefused:
		return result(cmd, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, held.Text), nil
	case known && held.Version == cmd.GetVersion():
		return s.finish(cmd, held)
	}
	return s.begin(cmd)
}

func (s *sink) begin(cmd *docklinev1.Command) (*docklinev1.CommandResult, error) {
	entry := applied{Key: cmd.GetKey(), Version: cmd.GetVersion()}
	sheet := s.setup.sheets[work.KindOf(cmd)]
	if sheet == nil {
		return s.refuse(cmd, fmt.Sprintf("the plugin has no section commands.%s: this site's WMS does not take such work by file", work.KindOf(cmd)))
	}
	write := sheet.write
	if sheet.Form == formX12 {
		write = func(cmd *docklinev1.Command) (string, []byte, error) { return s.send(sheet, cmd) }
	}
	name, content, err := write(cmd)
	var no refused
	if errors.As(err, &no) {
		return s.refuse(cmd, string(no))
	}
	if err != nil {
		return nil, err
	}
	entry.File, entry.State = name, stateWriting
	if err := s.in.write(waiting(entry), content); err != nil {
		return nil, fmt.Errorf("writing into the inbound folder: %w", err)
	}
	if err := s.done.put(entry); err != nil {
		return nil, err
	}
	return s.finish(cmd, entry)
}

// finish renames what is still under its temporary name. Where nothing is, it was renamed before.
func (s *sink) finish(cmd *docklinev1.Command, entry applied) (*docklinev1.CommandResult, error) {
	if entry.State == stateWriting {
		if err := deliverInto(s.in, entry); err != nil {
			return nil, err
		}
		entry.State = stateApplied
		if err := s.done.put(entry); err != nil {
			return nil, err
		}
	}
	return result(cmd, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, "written as "+entry.File), nil
}

func (s *sink) refuse(cmd *docklinev1.Command, text string) (*docklinev1.CommandResult, error) {
	if err := s.done.put(applied{Key: cmd.GetKey(), Version: cmd.GetVersion(), State: stateRefused, Text: text}); err != nil {
		return nil, err
	}
	return result(cmd, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, text), nil
}

func (s *sink) find(key string) (bool, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.done.find(key)
	return ok && a.Highest > 0, a.Highest
}

func result(cmd *docklinev1.Command, outcome docklinev1.CommandOutcome, text string) *docklinev1.CommandResult {
	r := &docklinev1.CommandResult{Key: cmd.GetKey(), Version: cmd.GetVersion(), Outcome: outcome, Text: text}
	if outcome == docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED {
		r.Class = docklinev1.FaultClass_FAULT_CLASS_DATA
	}
	return r
}
