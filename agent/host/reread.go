package host

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Reread has a source tell again what it told behind a cursor or since a time: its cursor is put back durably while it does not run,
// and it begins again from there. The result is final; an error means that the command is to come again.
func (h *Host) Reread(ctx context.Context, command *docklinev1.Command) (*docklinev1.CommandResult, error) {
	s, refusal := h.source(command.GetPlugin())
	if s == nil {
		return refused(command, refusal), nil
	}
	s.mu.Lock()
	described := s.described
	s.mu.Unlock()
	switch {
	case described == nil:
		return nil, fmt.Errorf("plugin %s has not yet said what it can do", s.plugin.ID)
	case !described.GetSource() || !described.GetRereadable():
		return refused(command, fmt.Sprintf("plugin %s cannot read again what it has told", s.plugin.ID)), nil
	}
	cursor, text, err := s.cursorFor(ctx, command.GetReread())
	switch status.Code(err) {
	case codes.OK:
	case codes.Unimplemented:
		return refused(command, fmt.Sprintf("plugin %s cannot say where it was at a time: give a cursor", s.plugin.ID)), nil
	case codes.InvalidArgument, codes.OutOfRange:
		return refused(command, fmt.Sprintf("plugin %s: %s", s.plugin.ID, status.Convert(err).Message())), nil
	default:
		return nil, fmt.Errorf("read again: %w", err)
	}
	if len(cursor) == 0 {
		return refused(command, "neither a cursor nor a time says from where to read again"), nil
	}
	err = s.between(ctx, func() error { return s.config.Journal.Append(ctx, Entry{Plugin: s.plugin.ID, Cursor: cursor}) })
	if err != nil {
		return nil, fmt.Errorf("put the cursor of %s back: %w", s.plugin.ID, err)
	}
	s.config.Log.Info("reading again", "plugin", s.plugin.ID, "reason", command.GetReread().GetReason(), "what", text)
	return result(command, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, "reads again "+text), nil
}

// source is the plugin of this id, or the only one there is where none is named.
func (h *Host) source(id string) (s *supervisor, refusal string) {
	if id == "" && len(h.supervisors) == 1 {
		return h.supervisors[0], ""
	}
	for _, s := range h.supervisors {
		if s.plugin.ID == id {
			return s, ""
		}
	}
	if id == "" {
		return nil, fmt.Sprintf("the site has %d plugins: name the one that is to read again", len(h.supervisors))
	}
	return nil, fmt.Sprintf("plugin %q is not configured at this site", id)
}

func (s *supervisor) cursorFor(ctx context.Context, r *docklinev1.Reread) (cursor []byte, text string, err error) {
	if r.GetTime() == nil {
		return r.GetCursor(), fmt.Sprintf("from the cursor %.60q", r.GetCursor()), nil
	}
	now, err := s.config.Journal.Cursor(ctx, s.plugin.ID)
	if err != nil {
		return nil, "", err
	}
	section := s.section()
	err = s.call(ctx, func(ctx context.Context, running *running) error {
		reply, err := running.api.Source.CursorAt(ctx, &docklinev1.CursorAtRequest{Config: section, Cursor: now, DataDir: s.dataDir(), Id: s.plugin.ID, Time: r.GetTime()})
		cursor, text = reply.GetCursor(), reply.GetText()
		return err
	})
	return cursor, text, err
}

func result(c *docklinev1.Command, outcome docklinev1.CommandOutcome, text string) *docklinev1.CommandResult {
	return &docklinev1.CommandResult{Key: c.GetKey(), Version: c.GetVersion(), Outcome: outcome, Text: text}
}

func refused(c *docklinev1.Command, text string) *docklinev1.CommandResult {
	r := result(c, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, text)
	r.Class = docklinev1.FaultClass_FAULT_CLASS_DATA
	return r
}
