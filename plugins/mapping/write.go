package mapping

import (
	"strconv"
	"strings"
	"time"
)

// Format writes a decimal string of the protocol as the source's side writes numbers, without grouping.
func (n Number) Format(quantity string) string {
	return strings.Replace(quantity, ".", n.decimal(), 1)
}

// Clock writes times in one format and zone.
type Clock struct {
	format dateFormat
	zone   *time.Location
}

// NewClock makes a Clock of a date format as Spec.Date takes it and the IANA name of a zone. The empty format is iso, the
// empty zone UTC.
func NewClock(format, zone string) (Clock, error) {
	if format == "" {
		format = "iso"
	}
	f, err := compileFormat(format)
	if err != nil {
		return Clock{}, err
	}
	location, err := time.LoadLocation(zone)
	return Clock{f, location}, err
}

// Format writes a time. iso is written with its offset.
func (c Clock) Format(t time.Time) string {
	switch c.format.unit {
	case time.Second:
		return strconv.FormatInt(t.Unix(), 10)
	case time.Millisecond:
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return t.In(c.zone).Format(c.format.layouts[0])
}

// FitsDate says whether a cell can be read in a date format, in whatever zone.
func FitsDate(format, cell string) bool {
	f, err := compileFormat(format)
	if err != nil {
		return false
	}
	_, err = moments{[]dateFormat{f}, time.UTC}.Parse(cell)
	return err == nil
}
