package http

import (
	"crypto/hmac"
	"crypto/md5"  // of old logins; nothing rests on it here
	"crypto/sha1" // likewise
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// digests are the hash functions that signed logins use, by the name that a definition calls them by.
var digests = map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// digestFunctions are the digests, an hmac of each, and hex; base64 is CEL's own (base64.encode). Keys and texts are strings or bytes.
func digestFunctions() []cel.EnvOption {
	options := []cel.EnvOption{cel.Function("hex", cel.Overload("dockline_hex", []*cel.Type{cel.BytesType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
		b, ok := bytesOf(v)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		return types.String(hex.EncodeToString(b))
	})))}
	for name, made := range digests {
		options = append(options,
			cel.Function(name, cel.Overload("dockline_"+name, []*cel.Type{cel.DynType}, cel.BytesType, cel.UnaryBinding(func(of ref.Val) ref.Val {
				return digest(made(), of)
			}))),
			cel.Function("hmac_"+name, cel.Overload("dockline_hmac_"+name, []*cel.Type{cel.DynType, cel.DynType}, cel.BytesType, cel.BinaryBinding(func(key, of ref.Val) ref.Val {
				b, ok := bytesOf(key)
				if !ok {
					return types.MaybeNoSuchOverloadErr(key)
				}
				return digest(hmac.New(made, b), of)
			}))))
	}
	return options
}

func digest(h hash.Hash, of ref.Val) ref.Val {
	text, ok := bytesOf(of)
	if !ok {
		return types.MaybeNoSuchOverloadErr(of)
	}
	h.Write(text)
	return types.Bytes(h.Sum(nil))
}

func bytesOf(v ref.Val) ([]byte, bool) {
	switch b := v.Value().(type) {
	case string:
		return []byte(b), true
	case []byte:
		return b, true
	}
	return nil, false
}
