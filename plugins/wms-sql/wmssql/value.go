package wmssql

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	instantLayout = "2006-01-02T15:04:05.999999999Z07:00"
	wallLayout    = "2006-01-02T15:04:05.999999999"
	tickLayout    = "2006-01-02T15:04:05.000"
)

// textOf writes a value of a column as a mapping reads it: moments with their offset, what a clock showed without, numbers with a point. NULL and
// the dates of MySQL that are none are not there.
func textOf(value any, t columnType) (text string, there bool) {
	switch v := value.(type) {
	case nil:
		return "", false
	case time.Time:
		return timeText(v, t), true
	case []byte:
		if t == typeBytes {
			return "0x" + hex.EncodeToString(v), true
		}
		if t == typeUUID && len(v) == 16 {
			return uuidText(v), true
		}
		return stringText(string(v), t)
	case [16]byte:
		return uuidText(v[:]), true
	case string:
		return stringText(v, t)
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case float32:
		return strconv.FormatFloat(float64(v), 'f', -1, 32), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return fmt.Sprint(value), true
}

func timeText(v time.Time, t columnType) string {
	switch t {
	case typeInstant:
		return v.UTC().Format(instantLayout)
	case typeDate:
		return v.Format(time.DateOnly)
	case typeTick:
		return v.Round(time.Millisecond).Format(tickLayout)
	}
	return v.Format(wallLayout)
}

func stringText(s string, t columnType) (string, bool) {
	if t != typeInstant && t != typeWall && t != typeDate {
		return s, true
	}
	if strings.HasPrefix(s, "0000-") || s == "" {
		return "", false
	}
	if t == typeDate {
		return s, true
	}
	s = strings.Replace(s, " ", "T", 1)
	if t == typeInstant && !strings.HasSuffix(s, "Z") {
		s += "Z" // only drivers whose session is in UTC give moments as texts
	}
	return s, true
}

// uuidText writes the bytes of SQL Server's uniqueidentifier, whose first three groups are turned round, and those of others as they stand:
// whichever it is, it is always the same.
func uuidText(b []byte) string {
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// watermarkOf writes a moment as a value of a watermark column, so that no row of that moment or later is below it. A clock on the wall that
// was put back since then showed less than it had: the lower of both counts.
func watermarkOf(at, now time.Time, t columnType, zone *time.Location) string {
	if t == typeInstant {
		return at.UTC().Truncate(time.Microsecond).Format(instantLayout)
	}
	_, then := at.In(zone).Zone()
	_, since := now.In(zone).Zone()
	wall := at.UTC().Add(time.Duration(min(then, since)) * time.Second)
	if t == typeTick {
		return wall.Truncate(10 * time.Millisecond).Format(tickLayout)
	}
	return wall.Truncate(time.Microsecond).Format(wallLayout)
}
