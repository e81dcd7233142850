package rule

import (
	"fmt"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// CodeDigit: a GTIN or an SSCC whose check digit does not fit its other digits.
const CodeDigit = "check_digit"

// digits looks at the check digits of every GTIN and SSCC, each code once.
func (r *Rules) digits(e *docklinev1.Event) (warnings []*docklinev1.SiteWarning, fault *event.Fault) {
	if r.config.CheckDigits == Ignore || r.config.CheckDigits == "" {
		return nil, nil
	}
	for _, code := range wrongCodes(e) {
		text := fmt.Sprintf("The check digit of %s does not fit. Look whether it was read right; if the label says so, its maker has to correct it.", code)
		if r.config.CheckDigits == Refuse {
			return nil, &event.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: CodeDigit, Text: text}
		}
		if len(warnings) < maxWarnings {
			warnings = append(warnings, &docklinev1.SiteWarning{Code: CodeDigit, Text: text})
		}
	}
	return warnings, nil
}

func wrongCodes(e *docklinev1.Event) (wrong []string) {
	look := func(noun, code string, isWrong func(string) bool) {
		if !isWrong(code) {
			return
		}
		if code = noun + " " + code; !slices.Contains(wrong, code) {
			wrong = append(wrong, code)
		}
	}
	for _, l := range linesOf(e) {
		look("GTIN", l.GetGtin(), event.WrongGTIN)
		look("SSCC", l.GetHandlingUnit(), event.WrongSSCC)
		look("SSCC", l.GetToHandlingUnit(), event.WrongSSCC)
	}
	switch p := event.Payload(e).(type) {
	case interface{ GetHandlingUnit() string }:
		look("SSCC", p.GetHandlingUnit(), event.WrongSSCC)
	case interface{ GetHandlingUnits() []string }:
		for _, unit := range p.GetHandlingUnits() {
			look("SSCC", unit, event.WrongSSCC)
		}
	}
	return wrong
}

// linesOf are all lines of an event: those that went into something, and those that came out of it.
func linesOf(e *docklinev1.Event) []*docklinev1.Line {
	lines := event.Lines(e)
	if t := e.GetTransformation(); t != nil {
		return append(slices.Clone(lines), t.GetOutputs()...)
	}
	return lines
}
