package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// verifyPacks is how many packs one look of Verify takes.
const verifyPacks = 64

// FileReport is what became of one file of the journal when it was looked through.
type FileReport struct {
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
	Ordinal uint64 `json:"ordinal,omitempty"`
	// LastSeq is the highest that it has given, Acknowledged the highest that the collector has.
	LastSeq      uint64 `json:"last_seq,omitempty"`
	Acknowledged uint64 `json:"acknowledged,omitempty"`
	Packs        int    `json:"packs,omitempty"`
	// Fault says what is wrong and what follows, "" where all of it reads as it was written.
	Fault string `json:"fault,omitempty"`
}

// Verify reads all packs of an open journal and holds them against their sums. It takes its time and keeps nobody waiting.
func (j *Journal) Verify(ctx context.Context) []FileReport {
	var reports []FileReport
	for _, file := range j.paths() {
		reports = append(reports, j.verify(ctx, file))
	}
	return append(reports, setAside(j.dir)...)
}

func (j *Journal) paths() (paths []string) {
	j.view.RLock()
	defer j.view.RUnlock()
	for _, e := range j.epochs {
		paths = append(paths, e.path)
	}
	return paths
}

func (j *Journal) verify(ctx context.Context, path string) FileReport {
	r := FileReport{File: filepath.Base(path)}
	for after := uint64(0); ctx.Err() == nil; {
		next, last, err := j.verifySome(path, after, &r)
		if err != nil {
			r.Fault = err.Error() + "; when the agent meets it, the file is set aside, what can be read is taken over, and the rest is declared lost to the centre"
			break
		}
		if after = next; last {
			break
		}
	}
	if ctx.Err() != nil && r.Fault == "" {
		r.Fault = "not looked through to its end: " + ctx.Err().Error()
	}
	return r
}

func (j *Journal) verifySome(path string, after uint64, r *FileReport) (next uint64, last bool, err error) {
	j.view.RLock()
	defer j.view.RUnlock()
	for _, e := range j.epochs {
		if e.path != path {
			continue
		}
		r.Bytes, r.Ordinal, r.LastSeq, r.Acknowledged = e.size, e.ordinal(), e.state.last, e.state.acked
		packs, _, err := e.scan(after, verifyPacks)
		for _, p := range packs {
			if first := p.envelope.FirstSeq; first != after+1 && first > e.state.acked+1 {
				return after, true, fmt.Errorf("%w: nothing between %d and %d", ErrDamaged, after, first)
			}
			r.Packs++
			after = p.envelope.LastSeq
		}
		return after, len(packs) < verifyPacks, err
	}
	return after, true, nil // drained and gone meanwhile
}

// VerifyFolder does the same for the folder of an agent that does not run. check reads one file, as CheckFile does, in a process that may
// be lost.
func VerifyFolder(ctx context.Context, dir string, check func(ctx context.Context, path string) error) ([]FileReport, error) {
	files, err := epochFiles(dir)
	if err != nil {
		return nil, err
	}
	var reports []FileReport
	for _, file := range files {
		r := FileReport{File: filepath.Base(file.path), Ordinal: file.ordinal}
		if info, err := os.Stat(file.path); err == nil {
			r.Bytes = info.Size()
		}
		switch err := check(ctx, file.path); {
		case errors.Is(err, os.ErrPermission):
			r.Fault = err.Error() + "; run this as the agent's own user, or as administrator"
		case err != nil:
			r.Fault = err.Error() + "; at the next start the file is set aside, what can be read is taken over, and the rest is declared lost to the centre"
		}
		reports = append(reports, r)
	}
	return append(reports, setAside(dir)...), nil
}

// setAside are the damaged files that an earlier start has put away.
func setAside(dir string) (reports []FileReport) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		if !strings.Contains(entry.Name(), damagedSuffix) {
			continue
		}
		r := FileReport{File: entry.Name(), Fault: "damaged and set aside; what could be read was taken over. Keep it until the centre's case about the lost range is closed, then delete it"}
		if info, err := entry.Info(); err == nil {
			r.Bytes = info.Size()
		}
		reports = append(reports, r)
	}
	return reports
}
