package tryton

import "testing"

// What Tryton answers may be anything: it is read or refused.
func FuzzDecodeJSON(f *testing.F) {
	for _, text := range []string{`[{"id": 7, "quantity": {"__class__": "Decimal", "decimal": "2.5"}, "write_date": {"__class__": "datetime", "year": 2026, "month": 3, "day": 2, "hour": 8, "minute": 0, "second": 1, "microsecond": 9}}]`,
		`{"__class__": "date", "year": 99999999999, "month": -3, "day": 0}`, `{"__class__": "bytes", "base64": "!!"}`, `{"result": null}`, `[[[[`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = decodeJSON(text) })
}

// A section of settings is taken or refused with its faults.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("url: http://erp.example:8000\ndatabase: main\nlogin: dockline\npassword_env: X\nsites: {dc-east: WH}\n"))
	f.Add([]byte("url: [\ntimeout: -1s\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Decode("fuzz.yaml", text) })
}
