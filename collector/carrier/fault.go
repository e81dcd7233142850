package carrier

import "github.com/dockline/dockline/proto/x12"

// Fault says what is wrong with what a carrier sent, and where: of X12 the segment, by its number in the interchange from 1, and the element, as
// "AT701"; of JSON the field.
type Fault = x12.Fault
