package policy

import "slices"

// filePart is a file of a policy folder and what reads it. One that a folder does not have is the built-in one, in folder default.
type filePart struct {
	name string
	read func(*compiler)
}

// parts are the files in the order in which they are read: targets before routing, which names them; regions before what has rules by region;
// limits before fulfilment, whose defaults they are.
var parts []filePart

func init() {
	parts = []filePart{
		{"regions.yaml", (*compiler).readRegions},
		{"targets.yaml", (*compiler).targets},
		{"routing.yaml", (*compiler).routing},
		{"mapping.yaml", (*compiler).mapping},
		{"limits.yaml", (*compiler).limits},
		{"fulfilment.yaml", (*compiler).fulfilment},
		{"timing.yaml", (*compiler).timing},
		{"stock.yaml", (*compiler).stock},
		{"calendars.yaml", (*compiler).calendars},
		{"milestones.yaml", (*compiler).milestones},
		{"postings.yaml", (*compiler).readPostings},
		{"owners.yaml", (*compiler).owners},
		{"ownership.yaml", (*compiler).ownership},
		{"releases.yaml", (*compiler).readReleases},
		{"approvals.yaml", (*compiler).readApprovals},
		{"retention.yaml", (*compiler).retention},
	}
}

// FileNames are the files of a policy folder, sorted.
func FileNames() []string { return fileNames() }

// Files are the texts of all files, those that ship too.
func (p *Policy) Files() map[string]string {
	all := make(map[string]string, len(p.files))
	for name, text := range p.files {
		all[name] = string(text)
	}
	return all
}

// fileNames are the files of a policy folder, sorted.
func fileNames() []string {
	names := make([]string, len(parts))
	for i, part := range parts {
		names[i] = part.name
	}
	slices.Sort(names)
	return names
}
