package service

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// SID is the identity that Windows gives to a service of this name: S-1-5-80 and the SHA-1 of the name in capitals, as `sc.exe showsid` shows it
// (https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers, service SIDs).
func SID(name string) string {
	var text []byte
	for _, unit := range utf16.Encode([]rune(strings.ToUpper(name))) {
		text = binary.LittleEndian.AppendUint16(text, unit)
	}
	sum := sha1.Sum(text)
	sid := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	return sid
}
