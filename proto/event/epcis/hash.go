package epcis

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	hashBefore = "ni:///sha-256;"
	hashAfter  = "?ver=CBV2.0"
)

// EventHash is the id that an event has by what it says (CBV 2.0, section 8.9): the same event has the same one wherever it is computed. It
// covers everything but recordTime, eventID and errorDeclaration.
func EventHash(event *Object, context Context, ignore ...string) string {
	return hashID(PreHash(event, context, ignore...))
}

func hashID(preHash string) string {
	sum := sha256.Sum256([]byte(preHash))
	return hashBefore + hex.EncodeToString(sum[:]) + hashAfter
}

// IsEventHash is whether an eventID says that it is the hash of its event.
func IsEventHash(id string) bool { return strings.HasPrefix(id, "ni:///") }

// Matches is whether an eventID that is a hash is that of this event, in one of the ways in which the algorithm has been read. An id of
// another algorithm or version matches nothing.
func Matches(id string, event *Object, context Context, ignore ...string) bool {
	for _, r := range readings {
		if hashID(preHash(event, context, r, ignore)) == id {
			return true
		}
	}
	return false
}
