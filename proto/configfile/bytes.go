package configfile

import (
	"fmt"
	"strconv"
	"strings"
)

// Bytes is a size, written as "512MiB", "2GiB", "64KiB" or a plain number of bytes.
type Bytes int64

var units = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

// UnmarshalYAML reads a size.
func (b *Bytes) UnmarshalYAML(text []byte) error {
	written := strings.Trim(strings.TrimSpace(string(text)), `"'`)
	value := written
	factor := int64(1)
	for _, unit := range units {
		if number, ok := strings.CutSuffix(value, unit.suffix); ok {
			value, factor = strings.TrimSpace(number), unit.size
			break
		}
	}
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil || number < 0 || number > (1<<62)/factor {
		return fmt.Errorf("%q is not a size: write it like 512MiB or 2GiB", written)
	}
	*b = Bytes(number * factor)
	return nil
}
