package world

// NewProcess prepares one of Dockline's programs, or a peer, whose output goes to NAME.log in logDir. It dies with this process.
func NewProcess(name, logDir string, argv ...string) *Process {
	return newProcess(name, logDir, argv...)
}

// PID is that of the running process, 0 where it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

// LogFile is where its output goes.
func (p *Process) LogFile() string { return p.log }
