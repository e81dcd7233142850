package db

// syncDir: Windows makes a rename durable with the file system's own journal.
func syncDir(string) error { return nil }
