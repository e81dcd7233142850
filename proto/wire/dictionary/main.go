// Command dictionary makes the zstd dictionary with which small packs are made, from events as warehouses of several habits would report
// them. A dictionary that was released is never made anew, since packs that were made with it are still to be read: a better one is
// written under the next id, and added to the list in package wire.
//
//	go run ./proto/wire/dictionary 40002
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./proto/wire/dictionary ID")
		os.Exit(2)
	}
	id, err := strconv.ParseUint(os.Args[1], 10, 32)
	if err == nil {
		err = write(uint32(id))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dictionary:", err)
		os.Exit(1)
	}
}

// trained is how many packs the frequencies are taken from, shown how many events of each kind the text of the dictionary holds.
const trained, shown = 4000, 3

func write(id uint32) error {
	w := &world{random: rand.New(rand.NewPCG(uint64(id), 1))}
	o := zstd.BuildDictOptions{ID: id, Offsets: [3]int{1, 4, 8}, Level: zstd.SpeedDefault}
	for range trained {
		pack := &docklinev1.EventPack{}
		for range 1 + w.random.IntN(2) {
			event, err := w.encoded(w.kind())
			if err != nil {
				return err
			}
			pack.Events = append(pack.Events, event)
		}
		body, err := proto.Marshal(pack)
		if err != nil {
			return err
		}
		o.Contents = append(o.Contents, body)
	}
	// What is likeliest stands last, where it is found with the shortest distance.
	for _, kind := range []int{count, ship, pack, pick, pick} {
		for range shown {
			event, err := w.encoded(kind)
			if err != nil {
				return err
			}
			body, err := proto.Marshal(&docklinev1.EventPack{Events: [][]byte{event}})
			if err != nil {
				return err
			}
			o.History = append(o.History, body...)
		}
	}
	made, err := zstd.BuildDict(o)
	if err != nil {
		return err
	}
	path := filepath.Join("proto", "wire", "dictionary", fmt.Sprint(id, ".zdict"))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("an id is used once: %w", err)
	}
	if _, err := file.Write(made); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, of which %d text\n", path, len(made), len(o.History))
	return file.Close()
}
