-- What people say about exceptions, and how they are told of them.

-- +goose Up
-- team and severity are the rule's. hand_team has it in the place of team, raised is the severity that it has at least; both from an escalation
-- or a person. level is how many levels of its escalation have been, look_at when to look again (the next level, the end of a snooze, the end
-- of the time that a person's word holds), 0 never. caused: its cause exists. closed says who closed it: automatic, human, waived.
-- untold: nobody has been told that it is open.
ALTER TABLE exception ADD COLUMN target {{text}} NOT NULL DEFAULT '';
ALTER TABLE exception ADD COLUMN group_key {{text}} NOT NULL DEFAULT '';
ALTER TABLE exception ADD COLUMN assignee {{text}} NOT NULL DEFAULT '';
ALTER TABLE exception ADD COLUMN hand_team {{text}} NOT NULL DEFAULT '';
ALTER TABLE exception ADD COLUMN raised BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exception ADD COLUMN level BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exception ADD COLUMN look_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exception ADD COLUMN acknowledged_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exception ADD COLUMN snoozed_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exception ADD COLUMN caused BIGINT NOT NULL DEFAULT 1;
ALTER TABLE exception ADD COLUMN closed {{text}} NOT NULL DEFAULT '';
ALTER TABLE exception ADD COLUMN closed_by {{text}} NOT NULL DEFAULT '';
ALTER TABLE exception ADD COLUMN times BIGINT NOT NULL DEFAULT 1;
ALTER TABLE exception ADD COLUMN untold BIGINT NOT NULL DEFAULT 0;
UPDATE exception SET caused = 0, closed = 'automatic' WHERE state = 'resolved';
-- There is no exception without a due time any more.
UPDATE exception SET due_at = opened_at + 14400000000 WHERE due_at = 0;
UPDATE exception SET group_key = code || '/' || team || '/' || site, untold = 1, look_at = due_at WHERE state <> 'resolved';
CREATE INDEX exception_look ON exception (look_at) WHERE look_at > 0;
CREATE INDEX exception_untold ON exception (number) WHERE untold = 1;
CREATE INDEX exception_group ON exception (tenant, group_key, number) WHERE state <> 'resolved';
-- What was said and done about one, in order. kind is comment, act, escalated, reopened or snooze_ended.
CREATE TABLE exception_note (
    id          {{serial}},
    tenant      {{text}} NOT NULL,
    number      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    kind        {{text}} NOT NULL,
    person      {{text}} NOT NULL,
    text        {{text}} NOT NULL
);
CREATE INDEX exception_note_number ON exception_note (tenant, number, id);
