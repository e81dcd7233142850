package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/testenv/manyagents"
)

// filesOfSite is how many descriptors one simulated site takes where it runs: its journal and the lock of that, its socket, and two of the line
// between it and the broker.
const filesOfSite = 5

// share is a process that runs some of the sites.
type share struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	to  *json.Encoder
	of  *json.Decoder
	// first and n are which sites.
	first, n int
}

// shares are all of them: ten thousand journals have more open files than one process may have.
type shares struct {
	list []*share
	n    int
}

// openShares starts as many processes as it takes, and waits until every journal is open.
func (s *Suite) openShares(ctx context.Context, dir string, c *centre, n int, heartbeat time.Duration) (*shares, error) {
	limit, err := mayOpen()
	if err != nil {
		return nil, err
	}
	if need := uint64(n + 500); limit < need {
		return nil, fmt.Errorf("a process may open %d files, and the collector needs %d for %d sites: raise `ulimit -n`", limit, need, n)
	}
	each := min(n, int(limit-200)/filesOfSite)
	all := &shares{n: n}
	for first := 0; first < n; first += each {
		one, err := s.openShare(ctx, dir, c, first, min(each, n-first), heartbeat)
		if err != nil {
			all.close()
			return nil, err
		}
		all.list = append(all.list, one)
	}
	var g errgroup.Group
	for _, one := range all.list {
		g.Go(func() error { return one.of.Decode(&struct{}{}) })
	}
	if err := g.Wait(); err != nil {
		all.close()
		return nil, fmt.Errorf("the sites do not open their journals: %w", err)
	}
	return all, nil
}

func (s *Suite) openShare(ctx context.Context, dir string, c *centre, first, n int, heartbeat time.Duration) (one *share, err error) {
	one = &share{first: first, n: n, cmd: exec.CommandContext(ctx, filepath.Join(s.Bin, sitesProgram), "-tenant", tenant, "-first", fmt.Sprint(first), "-n", fmt.Sprint(n), "-heartbeat", heartbeat.String(),
		"-broker", c.brokerAddr, "-dir", filepath.Join(dir, "sites"), "-authority", filepath.Join(c.dir, "identity"))}
	one.cmd.Stderr = os.Stderr
	if one.in, err = one.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := one.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	one.to, one.of = json.NewEncoder(one.in), json.NewDecoder(out)
	return one, one.cmd.Start()
}

func (one *share) ask(o manyagents.Order) (r manyagents.Report, err error) {
	if o.Do == "run" {
		o.N = max(0, min(one.n, o.N-one.first))
	}
	if err = one.to.Encode(o); err == nil {
		err = one.of.Decode(&r)
	}
	if err == nil && r.Err != "" {
		err = fmt.Errorf("sites: %s", r.Err)
	}
	return r, err
}

// ask tells all the same, and adds up what they answer.
func (all *shares) ask(o manyagents.Order) (sum manyagents.Report, err error) {
	var g errgroup.Group
	reports := make([]manyagents.Report, len(all.list))
	for i, one := range all.list {
		g.Go(func() (err error) { reports[i], err = one.ask(o); return err })
	}
	if err := g.Wait(); err != nil {
		return sum, err
	}
	for _, r := range reports {
		sum.Sites, sum.Connected, sum.Greeted = sum.Sites+r.Sites, sum.Connected+r.Connected, sum.Greeted+r.Greeted
		sum.Captured, sum.Held, sum.Commits = sum.Captured+r.Captured, sum.Held+r.Held, sum.Commits+r.Commits
		sum.Stats.Links, sum.Attempts = sum.Stats.Links+r.Stats.Links, sum.Attempts+r.Attempts
		sum.Sent, sum.Resent, sum.Refusals, sum.Forks = sum.Sent+r.Sent, sum.Resent+r.Resent, sum.Refusals+r.Refusals, sum.Forks+r.Forks
		sum.Up, sum.Down, sum.JournalBytes = sum.Up+r.Up, sum.Down+r.Down, sum.JournalBytes+r.JournalBytes
		sum.Goroutines, sum.Files = sum.Goroutines+r.Goroutines, sum.Files+r.Files
		sum.At = append(sum.At, r.At...)
		if r.LastRefusal != "" {
			sum.LastRefusal = r.LastRefusal
		}
		if r.LastError != "" {
			sum.LastError = r.LastError
		}
	}
	return sum, nil
}

func (all *shares) look() (manyagents.Report, error) { return all.ask(manyagents.Order{Do: "look"}) }

// use is processor time and memory of the processes that run the sites.
func (all *shares) use() (processor time.Duration, m memoryUse, err error) {
	for _, one := range all.list {
		p, err := processorTime(one.cmd.Process.Pid)
		if err != nil {
			return 0, m, err
		}
		of, err := memoryOf(one.cmd.Process.Pid)
		if err != nil {
			return 0, m, err
		}
		processor, m.Resident, m.Anonymous = processor+p, m.Resident+of.Resident, m.Anonymous+of.Anonymous
	}
	return processor, m, nil
}

// close ends them at once: what they hold is not needed any more.
func (all *shares) close() {
	for _, one := range all.list {
		_ = one.cmd.Process.Kill() // it may have ended
		_ = one.cmd.Wait()
	}
}
