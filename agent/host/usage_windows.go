package host

import (
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var getProcessMemoryInfo = windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")

// maxInJob is how many processes of one plugin are looked at.
const maxInJob = 64

// jobProcesses is JOBOBJECT_BASIC_PROCESS_ID_LIST with room for maxInJob.
type jobProcesses struct {
	assigned, listed uint32
	ids              [maxInJob]uintptr
}

// memoryCounters is PROCESS_MEMORY_COUNTERS of psapi.h.
type memoryCounters struct {
	size, pageFaults                                           uint32
	peakWorkingSet, workingSet, peakPaged, paged, peakNonPaged uintptr
	nonPaged, pagefile, peakPagefile                           uintptr
}

// usage adds up what the processes of the plugin's job take.
func (g *guard) usage(own int) (all usage, ok bool) {
	for _, pid := range g.processes(own) {
		if u, known := usageOfOne(pid); known {
			all.memory += u.memory
			all.cpu += u.cpu
			ok = true
		}
	}
	return all, ok
}

// processes are those of the job, or the plugin's own where the system does not list them.
func (g *guard) processes(own int) (pids []uint32) {
	g.Job(func(job windows.Handle) {
		var list jobProcesses
		err := windows.QueryInformationJobObject(job, windows.JobObjectBasicProcessIdList, uintptr(unsafe.Pointer(&list)), uint32(unsafe.Sizeof(list)), nil)
		if err != nil || list.listed == 0 || list.listed > maxInJob {
			pids = []uint32{uint32(own)}
			return
		}
		for _, id := range list.ids[:list.listed] {
			pids = append(pids, uint32(id))
		}
	})
	return pids
}

func usageOfOne(pid uint32) (usage, bool) {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.PROCESS_VM_READ, false, pid)
	if err != nil {
		return usage{}, false
	}
	defer windows.CloseHandle(process)
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(process, &created, &exited, &kernel, &user); err != nil {
		return usage{}, false
	}
	counters := memoryCounters{size: uint32(unsafe.Sizeof(memoryCounters{}))}
	if done, _, _ := getProcessMemoryInfo.Call(uintptr(process), uintptr(unsafe.Pointer(&counters)), uintptr(counters.size)); done == 0 {
		return usage{}, false
	}
	return usage{memory: uint64(counters.workingSet), cpu: ticks(kernel) + ticks(user)}, true
}

// ticks: these two times are spans of 100 ns, not moments.
func ticks(t windows.Filetime) time.Duration {
	return time.Duration(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime)) * 100
}
