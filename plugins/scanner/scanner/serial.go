package scanner

import (
	"context"
	"sync"

	"go.bug.st/serial"
)

var parities = map[string]serial.Parity{"": serial.NoParity, "none": serial.NoParity, "odd": serial.OddParity, "even": serial.EvenParity, "mark": serial.MarkParity, "space": serial.SpaceParity}

var stops = map[string]serial.StopBits{"": serial.OneStopBit, "1": serial.OneStopBit, "1.5": serial.OnePointFiveStopBits, "2": serial.TwoStopBits}

// runSerial opens the port again and again: a reader on USB goes and comes back.
func (h *hub) runSerial(ctx context.Context, group *sync.WaitGroup, in *Input) error {
	d := h.find(ctx, group, in, in.ID)
	return h.again(ctx, in, func() error {
		port, err := serial.Open(in.Serial.Port, &serial.Mode{BaudRate: in.Serial.Baud, DataBits: in.Serial.DataBits, Parity: parities[in.Serial.Parity], StopBits: stops[in.Serial.StopBits]})
		if err != nil {
			return err
		}
		h.reports.reached(in.ID, nil)
		return h.talk(ctx, d, in, port)
	})
}
