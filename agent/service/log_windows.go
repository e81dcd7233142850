package service

import (
	"os"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/eventlog"
)

// AwaitsConfig says whether the service runs without a configuration until there is one: a package is installed before the site is enrolled, and
// its installation fails where its service does not start.
const AwaitsConfig = true

// KeepLog sends standard error, for which Windows has no place, into the log of the folder, panics too. Where that fails the event log says so,
// and the service runs all the same. What it returns is called when the service ends.
func KeepLog(folder string) (end func()) {
	file, err := openLog(folder)
	if err != nil {
		report("The log " + folder + " cannot be written: " + err.Error())
		return func() {}
	}
	os.Stderr, os.Stdout = file, file
	if err := windows.SetStdHandle(windows.STD_ERROR_HANDLE, windows.Handle(file.Fd())); err != nil {
		report("A crash will not be in the log: " + err.Error())
	}
	done := make(chan struct{})
	go watchLog(folder, done)
	return func() { close(done) }
}

// failedEvent is the number of the service's own failures in the event log.
const failedEvent = 1

// report puts an error into the event log, as well as that goes.
func report(text string) {
	if log, err := eventlog.Open(Name); err == nil {
		_ = log.Error(failedEvent, text) // there is no other place to tell it
		log.Close()
	}
}
