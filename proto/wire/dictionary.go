package wire

import (
	"embed"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Dictionaries give a pack of one or few events what a large pack finds in itself: how an event looks. dictionary/main.go makes them; one
// that was released stays for ever, since packs that were made with it are still to be read.
//
//go:embed dictionary/*.zdict
var dictionaryFiles embed.FS

// dictionaries are their ids, the best last. They lie where zstd leaves ids to whoever wants one.
var dictionaries = []uint32{40001}

// dictionaryEvents is up to how many events a pack gains by a dictionary.
const dictionaryEvents = 12

// Dictionaries are those with which a pack can be opened here.
func Dictionaries() []uint32 { return slices.Clone(dictionaries) }

// CommonDictionary is the best one that both ends know, known being what the other end says, and 0 where there is none.
func CommonDictionary(known []uint32) uint32 {
	for _, id := range slices.Backward(dictionaries) {
		if slices.Contains(known, id) {
			return id
		}
	}
	return 0
}

func readDictionary(id uint32) ([]byte, error) {
	return dictionaryFiles.ReadFile(fmt.Sprintf("dictionary/%d.zdict", id))
}

var smallEncoders struct {
	sync.Mutex
	of map[uint32]*zstd.Encoder
}

// smallEncoder is for packs of few events. It is made when the first of them is: an agent without a line needs none.
func smallEncoder(id uint32) (*zstd.Encoder, error) {
	smallEncoders.Lock()
	defer smallEncoders.Unlock()
	if z := smallEncoders.of[id]; z != nil {
		return z, nil
	}
	text, err := readDictionary(id)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(nil, append(encoderOptions(), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderDict(text))...)
	if err != nil {
		return nil, err
	}
	if smallEncoders.of == nil {
		smallEncoders.of = map[uint32]*zstd.Encoder{}
	}
	smallEncoders.of[id] = z
	return z, nil
}
