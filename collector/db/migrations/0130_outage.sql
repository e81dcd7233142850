-- Postings that carry the fault of a target that is down without having been tried: found at once when it answers again.

-- +goose Up
CREATE INDEX posting_untried ON posting (target, id) WHERE fault_code = 'target_unavailable';
