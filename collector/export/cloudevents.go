package export

import (
	"io"

	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/proto/event/cloudevent"
)

// cloudEvents writes CloudEvents 1.0 in their structured form: one a line, or as one JSON batch.
type cloudEvents struct {
	batch   bool
	written bool
}

func (c *cloudEvents) Header(w io.Writer) error {
	if !c.batch {
		return nil
	}
	_, err := io.WriteString(w, "[")
	return err
}

func (c *cloudEvents) Event(w io.Writer, e eventlog.Entry) (bool, error) {
	made, err := cloudevent.Of(e.Event, cloudevent.Place{Offset: e.Offset, Partition: e.Partition, RecordedAt: e.RecordedAt})
	if err != nil {
		return false, err
	}
	line, err := made.MarshalJSON()
	if err != nil {
		return false, err
	}
	if c.batch {
		line = append([]byte(map[bool]string{false: "\n", true: ",\n"}[c.written]), line...)
	} else {
		line = append(line, '\n')
	}
	c.written = true
	_, err = w.Write(line)
	return err == nil, err
}

func (c *cloudEvents) Footer(w io.Writer) error {
	if !c.batch {
		return nil
	}
	_, err := io.WriteString(w, "\n]\n")
	return err
}
