package wmshttp

import (
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/dockline/dockline/proto/event"
)

// quantityFunctions are those of a definition of the collector's http connector, under the same names:
//
//	quantity(x)  an exact decimal, as string or number, as millionths (int): quantity("1.50") == quantity("1.5")
//	decimal(n)   millionths as the shortest decimal string: decimal(1500000) == "1.5"
//	list.sum()   the sum of a list of whole numbers, as of quantities: item.lines.map(l, quantity(l.qty)).sum()
func quantityFunctions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function("quantity", cel.Overload("dockline_quantity", []*cel.Type{cel.DynType}, cel.IntType, cel.UnaryBinding(quantity))),
		cel.Function("decimal", cel.Overload("dockline_decimal", []*cel.Type{cel.IntType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			n, ok := v.Value().(int64)
			if !ok {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.String(event.FormatQuantity(n))
		}))),
		cel.Function("sum", cel.MemberOverload("dockline_sum", []*cel.Type{cel.ListType(cel.IntType)}, cel.IntType, cel.UnaryBinding(sum))),
	}
}

func quantity(v ref.Val) ref.Val {
	text := ""
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

func sum(v ref.Val) ref.Val {
	list, ok := v.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	var total ref.Val = types.IntZero
	for it := list.Iterator(); it.HasNext() == types.True && !types.IsError(total); {
		n, ok := it.Next().(types.Int)
		if !ok {
			return types.NewErr("sum of something that is no whole number")
		}
		total = total.(types.Int).Add(n)
	}
	return total
}
