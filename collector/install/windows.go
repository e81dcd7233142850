package install

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"text/template"
)

// WindowsScript is the file that Windows sites run.
const WindowsScript = "agent.ps1"

//go:embed agent.ps1
var windowsText string

var windowsScript = template.Must(template.New(WindowsScript).Delims("[[", "]]").Parse(windowsText))

// HasWindows says whether there is a package of this version for Windows.
func (o *Offer) HasWindows() bool {
	_, err := os.Stat(filepath.Join(o.Dir, windowsPackage(o.Version)))
	return err == nil
}

// WindowsCommand is Command for a Windows machine, to be run in a PowerShell of an administrator. It needs the curl.exe that Windows
// has in System32, of 7.60 or newer: before it Windows' own kind of TLS (Schannel) did not obey --cacert (curl/curl#1325), and nothing is fetched. As there,
// only the bytes that have the fingerprint are trusted, and the files have a name that nobody can know before: where the system itself runs it, others may
// write into its folder for temporary files. Nothing in it is quoted twice, so that it survives being sent by mail.
func WindowsCommand(collector, fingerprint, token string, plugins []byte) string {
	section := ""
	if len(plugins) > 0 {
		section = " " + base64.StdEncoding.EncodeToString(plugins)
	}
	return fmt.Sprintf("$f=Join-Path $env:TEMP ('dockline-'+[Guid]::NewGuid()); curl.exe -fsSko \"$f.pem\" %[1]s%[4]sca/%[2]s.pem; "+
		"$d=[Convert]::FromBase64String(-join((Get-Content \"$f.pem\") -notmatch '---')); "+
		"if(([BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($d)) -replace '-') -ne '%[2]s'){throw 'this is not the collector'}; "+
		"Set-Content \"$f.pem\" ('-----BEGIN CERTIFICATE-----',[Convert]::ToBase64String($d,'InsertLineBreaks'),'-----END CERTIFICATE-----'); "+
		"curl.exe -fsSo \"$f.ps1\" --ssl-no-revoke --cacert \"$f.pem\" %[1]s%[4]s%[5]s; if($LASTEXITCODE){throw 'the script cannot be fetched'}; "+
		"'%[3]s' | powershell.exe -NoProfile -ExecutionPolicy Bypass -File \"$f.ps1\" %[2]s%[6]s", collector, fingerprint, token, Path, WindowsScript, section)
}

// Unnamed says whether a collector's address is a number. A curl.exe with Schannel before the end of 2024 holds certificates against names alone
// (curl/curl#15149), so that WindowsCommand fetches nothing there.
func Unnamed(collector string) bool {
	u, err := url.Parse(collector)
	return err == nil && net.ParseIP(u.Hostname()) != nil
}

func (o *Offer) windows(w http.ResponseWriter) {
	name := windowsPackage(o.Version)
	sum, err := o.sum(name)
	if os.IsNotExist(err) {
		http.Error(w, fmt.Sprintf("The collector has no %s: put it into install.packages there.", name), http.StatusNotFound)
		return
	}
	var text bytes.Buffer
	if err == nil {
		err = windowsScript.Execute(&text, map[string]any{"Collector": o.Collector, "Version": o.Version, "File": name, "Sum": sum})
	}
	if err != nil {
		o.Log.Error("write the script for Windows sites", "err", err)
		http.Error(w, "The collector cannot write its script; its log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = text.WriteTo(w) // whoever asked has gone
}
