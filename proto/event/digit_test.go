package event_test

import (
	"testing"

	"github.com/dockline/dockline/proto/event"
)

func TestCheckDigits(t *testing.T) {
	for code, wrong := range map[string]bool{"4006381333931": false, "04006381333931": false, "4006381333932": true, "96385074": false, "96385075": true, "036000291452": false,
		"036000291453": true, "12345": false, "400638133393X": false, "": false} {
		if event.WrongGTIN(code) != wrong {
			t.Errorf("GTIN %q: wrong is %v", code, !wrong)
		}
	}
	for code, wrong := range map[string]bool{"034012345000000019": false, "034012345000000018": true, "00034012345000000019": false, "00034012345000000018": true, "11034012345000000019": false,
		"TOTE-7": false, "4006381333932": false} {
		if event.WrongSSCC(code) != wrong {
			t.Errorf("SSCC %q: wrong is %v", code, !wrong)
		}
	}
}
