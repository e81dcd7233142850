package http

import (
	"net/url"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"

	"github.com/dockline/dockline/proto/event"
)

// functions are what a definition may call beside CEL's own.
//
//	quantity(x)  an exact decimal, as string or number, as millionths (int): quantity("1.50") == quantity("1.5")
//	decimal(n)   millionths as the shortest decimal string: decimal(1500000) == "1.5"
//	list.sum()   the sum of a list of whole numbers, as of quantities: lines.map(l, quantity(l.quantity)).sum()
//	escape(s)    one segment of a path, escaped: escape("SO1/S1") == "SO1%2FS1"
//	link(h, rel) the address that the Link header among headers names for a relation, "" for none: link(headers, "next")
//	sha256(s)    the digest of text or bytes, as bytes; also md5, sha1, sha512, and with a key hmac_sha256(key, s) and so on
//	hex(b)       bytes as text: hex(hmac_sha256(secret.key, request.body)); base64.encode(b) likewise
func functions() []cel.EnvOption {
	unary := func(name string, arg, result *cel.Type, f func(ref.Val) ref.Val) cel.EnvOption {
		return cel.Function(name, cel.Overload("dockline_"+name, []*cel.Type{arg}, result, cel.UnaryBinding(f)))
	}
	return append(digestFunctions(), ext.Encoders(),
		cel.Function("link", cel.Overload("dockline_link", []*cel.Type{textMap, cel.StringType}, cel.StringType, cel.BinaryBinding(link))),
		cel.Function("sum", cel.MemberOverload("dockline_sum", []*cel.Type{cel.ListType(cel.IntType)}, cel.IntType, cel.UnaryBinding(sum))),
		unary("quantity", cel.DynType, cel.IntType, quantity),
		unary("decimal", cel.IntType, cel.StringType, func(v ref.Val) ref.Val {
			n, ok := v.Value().(int64)
			if !ok {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.String(event.FormatQuantity(n))
		}),
		unary("escape", cel.StringType, cel.StringType, func(v ref.Val) ref.Val {
			s, ok := v.Value().(string)
			if !ok {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.String(url.PathEscape(s))
		}))
}

func sum(v ref.Val) ref.Val {
	list, ok := v.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	var total ref.Val = types.IntZero
	for it := list.Iterator(); it.HasNext() == types.True; {
		n, ok := it.Next().(types.Int)
		if !ok {
			return types.NewErr("sum of something that is no whole number")
		}
		total = total.(types.Int).Add(n)
		if types.IsError(total) {
			return total
		}
	}
	return total
}

func quantity(v ref.Val) ref.Val {
	var text string
	switch n := v.Value().(type) {
	case string:
		text = n
	case int64:
		text = strconv.FormatInt(n, 10)
	case float64:
		text = strconv.FormatFloat(n, 'f', -1, 64)
	default:
		return types.MaybeNoSuchOverloadErr(v)
	}
	millionths, err := event.ParseQuantity(text)
	if err != nil {
		return types.NewErr("%v", err)
	}
	return types.Int(millionths)
}
