package wmshttp

import (
	"context"
	"testing"
)

// Who knows the expressions of the collector's http connector finds its functions here under the same names, with the same results.
func TestFunctionsAreThoseOfTheConnector(t *testing.T) {
	body, err := decodeAnswer([]byte(`{"lines": [{"qty": "1.50"}, {"qty": 2}, {"qty": 0.25}], "bad": "a lot", "key": "SO1/S1"}`))
	if err != nil {
		t.Fatal(err)
	}
	v := values{"body": body, "headers": map[string]string{"link": `<https://wms/2>; rel="next"`}}
	for text, want := range map[string]string{
		`decimal(quantity("1.50"))`:                                   "1.5",
		`decimal(body.lines.map(l, quantity(l.qty)).sum())`:           "3.75",
		`string(quantity(body.lines[2].qty))`:                         "250000",
		`decimal([].map(l, quantity(l)).sum())`:                       "0",
		`escape(body.key)`:                                            "SO1%2FS1",
		`link(headers, "next")`:                                       "https://wms/2",
		`base64.encode(bytes(body.key))`:                              "U08xL1Mx",
		`quantity("1.50") == quantity("1.5") ? "equal" : "not equal"`: "equal",
	} {
		l := &loader{}
		e := l.expression("x", text, stringType, answerVars)
		if len(l.faults) > 0 {
			t.Errorf("%s: %v", text, l.faults)
			continue
		}
		if got, err := e.string(context.Background(), v); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", text, got, err, want)
		}
	}
	l := &loader{}
	if got, err := l.expression("x", `decimal(quantity(body.bad))`, stringType, answerVars).string(context.Background(), v); err == nil {
		t.Errorf("a quantity that is none is %q", got)
	}
}
