package export

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector/eventlog"
)

// jsonLines is Dockline's own form: one JSON object a line, with where the event stands in the log and in its site's journal.
type jsonLines struct{}

type jsonLine struct {
	Offset     uint64          `json:"offset"`
	RecordedAt time.Time       `json:"recorded_at"`
	Partition  string          `json:"partition,omitempty"`
	Epoch      string          `json:"epoch,omitempty"`
	Seq        uint64          `json:"seq,omitempty"`
	Event      json.RawMessage `json:"event"`
}

func (jsonLines) Header(io.Writer) error { return nil }
func (jsonLines) Footer(io.Writer) error { return nil }

func (jsonLines) Event(w io.Writer, e eventlog.Entry) (bool, error) {
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(e.Event)
	if err != nil {
		return false, err
	}
	var plain bytes.Buffer // protojson puts blanks as it likes
	if err := json.Compact(&plain, body); err != nil {
		return false, err
	}
	line, err := json.Marshal(jsonLine{e.Offset, e.RecordedAt, e.Partition, e.Epoch, e.Seq, plain.Bytes()})
	if err != nil {
		return false, err
	}
	_, err = w.Write(append(line, '\n'))
	return err == nil, err
}
