package child

import (
	"fmt"
	"math"
	"os/exec"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Tie is the guard by a job object that kills what is in it when its last handle closes, which Windows does for a host that dies in any way.
// Children of the program are in the job too.
type Tie struct {
	// Memory is the most that the processes of the job may ask for together, in bytes; 0 is no limit.
	Memory int64

	mu  sync.Mutex
	job windows.Handle
}

// Start starts the program in a job of its own.
func (t *Tie) Start(cmd *exec.Cmd) error {
	job, err := newJob(t.Memory)
	if err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_NO_WINDOW}
	if err := cmd.Start(); err != nil {
		_ = windows.CloseHandle(job)
		return err
	}
	if err := assign(job, cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = windows.CloseHandle(job)
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.job = job
	return nil
}

func newJob(memory int64) (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("create job object: %w", err)
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	if memory > 0 {
		limits.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_JOB_MEMORY
		limits.JobMemoryLimit = uintptr(min(memory, math.MaxInt))
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		_ = windows.CloseHandle(job)
		return 0, fmt.Errorf("limit job object: %w", err)
	}
	return job, nil
}

// assign puts a child into the job. Its number is its own while the child's handle is held by cmd.
func assign(job windows.Handle, pid int) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return fmt.Errorf("open the program's process: %w", err)
	}
	defer func() { _ = windows.CloseHandle(process) }()
	if err := windows.AssignProcessToJobObject(job, process); err != nil {
		return fmt.Errorf("assign the program to a job object: %w", err)
	}
	return nil
}

// Wait closes the job after the program's end, and with it ends the program's own children.
func (t *Tie) Wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	t.Close()
	return err
}

// Close lets go of the job, as the system does for a host that dies: what is in it ends.
func (t *Tie) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.job != 0 {
		_ = windows.CloseHandle(t.job)
		t.job = 0
	}
}

// Job calls f with the job while that is open; else f is not called.
func (t *Tie) Job(f func(windows.Handle)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.job != 0 {
		f(t.job)
	}
}

// Kill ends all that is in the job.
func (t *Tie) Kill(*exec.Cmd) {
	t.Job(func(job windows.Handle) { _ = windows.TerminateJobObject(job, 1) })
}
