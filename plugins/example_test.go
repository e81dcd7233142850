package plugins_test

import (
	"bufio"
	"context"
	"os"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// scanner reports every line that a hand scanner types as a confirmed pick. It is a whole plugin.
type scanner struct{}

func (scanner) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "scanner", Version: "1.0.0", ConfigSchema: `{"type": "object"}`,
		Kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}}
}

func (scanner) Check(config []byte, _ string) []*docklinev1.ConfigFault {
	return plugins.Decode(config, &struct{ Device string }{})
}

func (scanner) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	config := struct{ Device string }{"/dev/ttyUSB0"}
	plugins.Decode(start.Config, &config)
	device, err := os.Open(config.Device)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { device.Close() })
	for lines := bufio.NewScanner(device); lines.Scan(); {
		pick := &docklinev1.Pick{Lines: []*docklinev1.Line{{Order: lines.Text(), Quantity: &docklinev1.Quantity{Value: "1"}}}}
		event := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: lines.Text(),
			OccurredAt: timestamppb.Now(), Payload: &docklinev1.Event_Pick{Pick: pick}}
		if err := out.Emit(ctx, &docklinev1.CaptureBatch{Events: []*docklinev1.Event{event}}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func main() { plugins.Serve(plugins.Plugin{Source: scanner{}}) }

// A plugin is a type with three methods and a main of one line.
func Example() { _ = main }
