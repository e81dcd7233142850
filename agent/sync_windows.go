package agent

// syncFolder has nothing to do: the file system's journal keeps the order.
func syncFolder(string) error { return nil }
