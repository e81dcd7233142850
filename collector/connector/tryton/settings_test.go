package tryton_test

import (
	"errors"
	"testing"

	"github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/proto/configfile"
)

func TestSettingsNameLineAndKeyOfEveryFault(t *testing.T) {
	good := "url: http://erp:8000/erp\nlogin: dockline\npassword_env: X\nsites: {north: ANR}\ntimeout: 5s\n"
	s, err := tryton.Decode("collector.yaml", []byte(good))
	if err != nil || s.URL != "http://erp:8000/erp/" || s.Name != "tryton" || s.Sites["north"] != "ANR" || s.Units["u"] != "each" {
		t.Errorf("%+v, %v", s, err)
	}
	for text, key := range map[string]string{
		"url: http://erp:8000\nlogin: d\npassword_env: X\n":                                  "url",
		"url: http://erp:8000/erp\npassword_env: X\n":                                        "login",
		"url: http://erp:8000/erp\nlogin: d\n":                                               "password_file",
		"url: http://erp:8000/erp\nlogin: d\npassword_env: X\npassword: y\n":                 "password",
		"url: http://erp:8000/erp\nlogin: d\npassword_env: X\nsites: {a: W, b: W}\n":         "sites",
		"url: http://erp:8000/erp\nlogin: d\npassword_env: X\npassword_file: y\n":            "password_file",
		"url: http://erp:8000/erp\nlogin: d\npassword_env: X\nsettle_time: -1s\nunits: {}\n": "settle_time",
	} {
		_, err := tryton.Decode("collector.yaml", []byte(text))
		var faults configfile.Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Key != key {
			t.Errorf("%q: %v, want one fault at %s", text, err, key)
		}
	}
	if _, err := tryton.New(tryton.Settings{}); err == nil {
		t.Error("New takes empty settings")
	}
}
