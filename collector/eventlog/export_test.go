package eventlog

// Unplaced is how the sequencer looks for work.
const Unplaced = unplaced
