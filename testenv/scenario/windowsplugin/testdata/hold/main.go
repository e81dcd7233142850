// Command hold has a file open until its input ends, as a program of Windows has that lets nobody else in (alone), or only those that read (readers).
package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

func main() {
	share := map[string]uint32{"alone": 0, "readers": syscall.FILE_SHARE_READ}[os.Args[1]]
	name, err := syscall.UTF16PtrFromString(os.Args[2])
	if err == nil {
		_, err = syscall.CreateFile(name, syscall.GENERIC_READ, share, nil, syscall.OPEN_EXISTING, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
}
