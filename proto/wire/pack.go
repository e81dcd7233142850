package wire

import (
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// MaxPacketBytes is the largest MQTT packet that the embedded broker takes.
	MaxPacketBytes = 1 << 20
	// MaxPackBytes is the largest pack that surely fits into such a packet, with room for cursors.
	MaxPackBytes = MaxPacketBytes - 128<<10
	// MaxPackEvents is the most events that one envelope may claim.
	MaxPackEvents = 10_000
	// MaxOpenBytes bounds what any pack may unfold to: ten times what a journal puts into one.
	MaxOpenBytes = 8 << 20
)

// ErrPack is wrapped by every fault of a pack.
var ErrPack = errors.New("unreadable pack")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The frame's own checksum is left out: the envelope has one over the compressed bytes, where a flipped bit would be.
func encoderOptions() []zstd.EOption {
	return []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(512 << 10), zstd.WithEncoderCRC(false)}
}

var encoder = sync.OnceValues(func() (*zstd.Encoder, error) { return zstd.NewWriter(nil, encoderOptions()...) })

// Only DecodeAll honours the limit; a stream would not.
var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	var texts [][]byte
	for _, id := range dictionaries {
		text, err := readDictionary(id)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxOpenBytes), zstd.WithDecoderLowmem(true), zstd.WithDecoderDicts(texts...))
})

// CRC is the CRC-32C of a pack as it is sent.
func CRC(pack []byte) uint32 { return crc32.Checksum(pack, castagnoli) }

// SealPack makes a pack of serialised events, in their order, and its CRC. The pack is never changed afterwards.
func SealPack(events [][]byte) (pack []byte, crc uint32, err error) { return SealPackWith(0, events) }

// SealPackWith is SealPack with a dictionary, where there are so few events that they gain by it; 0 is none. Whoever is to open the pack
// must have said that it knows the dictionary.
func SealPackWith(dictionary uint32, events [][]byte) (pack []byte, crc uint32, err error) {
	body, err := proto.Marshal(&docklinev1.EventPack{Events: events})
	if err != nil {
		return nil, 0, fmt.Errorf("seal pack: %w", err)
	}
	seal := encoder
	if dictionary != 0 && len(events) <= dictionaryEvents {
		seal = func() (*zstd.Encoder, error) { return smallEncoder(dictionary) }
	}
	z, err := seal()
	if err != nil {
		return nil, 0, fmt.Errorf("seal pack: %w", err)
	}
	pack = z.EncodeAll(body, make([]byte, 0, len(body)/4+64))
	return pack, CRC(pack), nil
}

// OpenPack gives back the serialised events of a pack. One that would unfold to more than maxBytes, or MaxOpenBytes, is refused; 0 is MaxOpenBytes.
// Every error wraps ErrPack.
func OpenPack(pack []byte, maxBytes int) ([][]byte, error) {
	if maxBytes <= 0 || maxBytes > MaxOpenBytes {
		maxBytes = MaxOpenBytes
	}
	var header zstd.Header
	if err := header.Decode(pack); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPack, err)
	}
	if header.HasFCS && header.FrameContentSize > uint64(maxBytes) {
		return nil, fmt.Errorf("%w: it would unfold to %d bytes, %d are allowed", ErrPack, header.FrameContentSize, maxBytes)
	}
	z, err := decoder()
	if err != nil {
		return nil, fmt.Errorf("open pack: %w", err)
	}
	body, err := z.DecodeAll(pack, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPack, err)
	}
	if len(body) > maxBytes {
		return nil, fmt.Errorf("%w: it unfolds to %d bytes, %d are allowed", ErrPack, len(body), maxBytes)
	}
	var events docklinev1.EventPack
	if err := proto.Unmarshal(body, &events); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPack, err)
	}
	return events.Events, nil
}

// CheckEnvelope holds an envelope's header against its topic and its pack. What comes back is the answer to an envelope that lies
// about itself; nil is a good one. The pack is not opened.
func CheckEnvelope(topic Topic, env *docklinev1.Envelope) *docklinev1.Refusal {
	refuse := func(reason docklinev1.RefusalReason, format string, args ...any) *docklinev1.Refusal {
		return &docklinev1.Refusal{Reason: reason, Epoch: env.GetEpoch(), FirstSeq: env.GetFirstSeq(), LastSeq: env.GetLastSeq(), Text: fmt.Sprintf(format, args...)}
	}
	switch {
	case env.GetTenant() != topic.Tenant || env.GetSite() != topic.Site:
		return refuse(docklinev1.RefusalReason_REFUSAL_REASON_WRONG_SITE, "the envelope says %s/%s, its topic is of %s/%s", env.GetTenant(), env.GetSite(), topic.Tenant, topic.Site)
	case len(env.GetEpoch()) == 0 || len(env.GetEpoch()) > 64:
		return refuse(docklinev1.RefusalReason_REFUSAL_REASON_RANGE, "the envelope names no plausible epoch")
	case env.GetFirstSeq() < 1 || env.GetLastSeq() < env.GetFirstSeq() || env.GetLastSeq() > 1<<62:
		return refuse(docklinev1.RefusalReason_REFUSAL_REASON_RANGE, "%d to %d is not a range of seq", env.GetFirstSeq(), env.GetLastSeq())
	case env.GetLastSeq()-env.GetFirstSeq() >= MaxPackEvents:
		return refuse(docklinev1.RefusalReason_REFUSAL_REASON_RANGE, "%d to %d are more than %d events", env.GetFirstSeq(), env.GetLastSeq(), MaxPackEvents)
	case uint64(env.GetCount()) != env.GetLastSeq()-env.GetFirstSeq()+1:
		return refuse(docklinev1.RefusalReason_REFUSAL_REASON_COUNT_MISMATCH, "%d to %d are not %d events", env.GetFirstSeq(), env.GetLastSeq(), env.GetCount())
	case CRC(env.GetPack()) != env.GetCrc():
		return refuse(docklinev1.RefusalReason_REFUSAL_REASON_CRC_MISMATCH, "the pack of %d to %d has the CRC %08x, the envelope says %08x",
			env.GetFirstSeq(), env.GetLastSeq(), CRC(env.GetPack()), env.GetCrc())
	}
	return nil
}
