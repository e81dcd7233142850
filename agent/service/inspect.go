package service

// Inspection is how the service stands, for whoever looks what is wrong.
type Inspection struct {
	Installed, Running bool
	// Faults are settings because of which it would not come back by itself, with what to do.
	Faults []string
}
