package configfile_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dockline/dockline/proto/configfile"
)

type sample struct {
	MQTT struct {
		URL     string           `yaml:"url"`
		Wait    time.Duration    `yaml:"wait"`
		Largest configfile.Bytes `yaml:"largest"`
	} `yaml:"mqtt"`
	Plugins []struct {
		ID string `yaml:"id"`
	} `yaml:"plugins"`
}

func TestDecodeNamesLineAndKey(t *testing.T) {
	tables := []struct {
		name, text string
		line       int
		key        string
	}{
		{"unknown key", "mqtt:\n  url: x\n  ulr: y\n", 3, "mqtt.ulr"},
		{"wrong type", "mqtt:\n  url: x\nplugins: 7\n", 3, "plugins"},
		{"broken syntax", "mqtt:\n  url: [x\n", 2, ""},
		{"doubled key", "mqtt:\n  url: x\n  url: y\n", 3, ""},
		{"bad duration", "mqtt:\n  wait: soon\n", 2, ""},
		{"bad size", "mqtt:\n  url: x\n  largest: 5X\n", 3, "mqtt.largest"},
	}
	for _, tt := range tables {
		t.Run(tt.name, func(t *testing.T) {
			_, err := configfile.Decode("agent.yaml", []byte(tt.text), &sample{})
			var faults configfile.Faults
			if !errors.As(err, &faults) || len(faults) != 1 {
				t.Fatalf("error %v", err)
			}
			if faults[0].Line != tt.line || faults[0].Key != tt.key && tt.key != "" {
				t.Errorf("fault %v, want line %d, key %q", faults[0], tt.line, tt.key)
			}
		})
	}
}

func TestDecodeKeepsDefaultsAndFindsLines(t *testing.T) {
	var s sample
	s.MQTT.Wait = time.Minute
	file, err := configfile.Decode("agent.yaml", []byte("# none\nmqtt:\n  url: x\n  largest: 2MiB\nplugins:\n  - id: a\n  - id: b\n"), &s)
	if err != nil {
		t.Fatal(err)
	}
	if s.MQTT.Wait != time.Minute || s.MQTT.Largest != 2<<20 || len(s.Plugins) != 2 {
		t.Errorf("decoded %+v", s)
	}
	for key, want := range map[string]int{"mqtt.url": 3, "mqtt.wait": 3, "plugins[1].id": 7, "nowhere": 0} {
		if got := file.Line(key); got != want {
			t.Errorf("line of %s: %d, want %d", key, got, want)
		}
	}
}

func TestDecodeTakesAFileOfCommentsOnly(t *testing.T) {
	if _, err := configfile.Decode("agent.yaml", []byte("# nothing yet\n"), &sample{}); err != nil {
		t.Error(err)
	}
}

// Every fault is named at once, and what is right is filled in.
func TestDecodeNamesAllFaults(t *testing.T) {
	var s sample
	_, err := configfile.Decode("agent.yaml", []byte("mqtt:\n  url: x\n  ulr: y\nplugins:\n  - id: a\n  - ident: b\n"), &s)
	var faults configfile.Faults
	if !errors.As(err, &faults) || len(faults) != 2 || faults[0].Key != "mqtt.ulr" || faults[1].Key != "plugins[1].ident" || faults[1].Line != 6 {
		t.Errorf("faults: %v", err)
	}
	if s.MQTT.URL != "x" || len(s.Plugins) != 2 {
		t.Errorf("decoded %+v", s)
	}
}

// A size or a duration that cannot be read hides no other fault.
func TestDecodeGoesOnBehindAValue(t *testing.T) {
	var s sample
	_, err := configfile.Decode("agent.yaml", []byte("mqtt:\n  largest: 5X\n  wait: soon\n  ulr: y\n"), &s)
	var faults configfile.Faults
	if !errors.As(err, &faults) || len(faults) != 3 {
		t.Fatalf("faults: %v", err)
	}
	lines := map[int]string{}
	for _, f := range faults {
		lines[f.Line] = f.Key
	}
	if lines[2] != "mqtt.largest" || lines[3] != "mqtt.wait" || lines[4] != "mqtt.ulr" {
		t.Errorf("faults: %v", err)
	}
}
