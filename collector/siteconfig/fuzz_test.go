package siteconfig_test

import (
	"testing"

	"github.com/dockline/dockline/collector/siteconfig"
)

// A site's configuration as a person writes it is checked, and compared with another, whatever it is.
func FuzzCheck(f *testing.F) {
	f.Add("uplink: {window: 8}\n", "rules:\n  double_scan: [{step: pack.confirmed, within: 10s}]\n")
	f.Add("log: {level: loud}\n", "plugins:\n  wms: {files: [{pattern: '*.csv'}]}\n")
	f.Add("a: &a [*a]\n", "x: {<<: {y: 1}}")
	f.Fuzz(func(_ *testing.T, one, other string) {
		_ = siteconfig.Check(one)
		_ = siteconfig.Diff(one, other)
	})
}
