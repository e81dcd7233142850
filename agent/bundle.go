package agent

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/dockline/dockline/agent/enrol"
	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/service"
	"github.com/dockline/dockline/proto/wire"
)

const (
	// bundleLimit is what all parts together may take before they are compressed, so that the bundle is smaller whatever it holds.
	bundleLimit = 9 << 20
	// partLimit bounds one part; of a log its end is taken.
	partLimit = 4 << 20
	// folderRows bounds a listing.
	folderRows = 2000
	// askTimeout bounds what is asked of a running agent or of the system's log.
	askTimeout = 15 * time.Second
)

// BundleOptions say what a support bundle is made from.
type BundleOptions struct {
	ConfigPath string
	// Logs are files whose ends are taken, beside what the service manager keeps.
	Logs []string
}

// Part is one file of a bundle, as its manifest names it.
type Part struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes,omitempty"`
	// What it is. Left says why it is not there, or what of it is not.
	What string `json:"what"`
	Left string `json:"left_out,omitempty"`
}

// bundle gathers parts within bounds.
type bundle struct {
	zip    *zip.Writer
	r      *redactor
	config *Config
	used   int
	parts  []Part
}

// leftOut is what a bundle never holds.
var leftOut = []Part{
	{Name: "identity/site.key", What: "the site's key", Left: "a secret"},
	{Name: "control", What: "the token of the running agent", Left: "a secret"},
	{Name: "journal/*.db", What: "the journal: events with business content", Left: "business content; `dockline-agent journal export` writes it where it is asked for"},
	{Name: "inbox.db", What: "commands, receipts and master data", Left: "business content"},
	{Name: "plugins/*", What: "plugins' own data and programs", Left: "business content; only names and sizes are listed"},
	{Name: "plugins[].config", What: "texts in plugins' sections", Left: "may be secrets; keys, numbers and lengths are kept"},
	{Name: "environment", What: "variables of the process", Left: "may be secrets"},
}

// WriteBundle writes a zip file for support to w, with or without a running agent and without a line. It is bounded in size, holds no
// secret that is known or looks like one, and says in manifest.json what is in it and what is not.
func WriteBundle(ctx context.Context, o BundleOptions, w io.Writer) ([]Part, error) {
	b := &bundle{zip: zip.NewWriter(w)}
	text, readErr := os.ReadFile(o.ConfigPath)
	config, loadErr := LoadConfig(o.ConfigPath)
	if config != nil && filepath.IsAbs(config.DataDir) { // with faults in it, it still says where everything is
		b.config = config
	}
	b.r = newRedactor(b.config, append(b.given(), string(text))...)
	if readErr != nil {
		b.leave("agent.yaml", "the configuration", readErr.Error())
	} else {
		b.add("agent.yaml", "the configuration, without comments and with the texts of plugins' sections replaced by their lengths", b.r.redactConfig(text))
	}
	if loadErr != nil && readErr == nil {
		b.add("agent.yaml.faults.txt", "why the configuration does not read", loadErr.Error())
	}
	b.add("system.txt", "this machine and program", b.system())
	b.addJSON("doctor.json", "what `dockline-agent doctor` finds", Examine(ctx, DoctorOptions{ConfigPath: o.ConfigPath}))
	b.running(ctx)
	if b.config != nil {
		b.add("files.txt", "names, sizes and times of the files in data_dir", listing(b.config.DataDir))
		b.certificates()
	}
	if runtime.GOOS == "windows" { // there the service keeps its own
		o.Logs = append(o.Logs, filepath.Join(filepath.Dir(o.ConfigPath), "logs", service.LogFile))
	}
	b.logs(ctx, o.Logs)
	b.parts = append(b.parts, leftOut...)
	manifest, err := json.MarshalIndent(map[string]any{"made_at": now().UTC(), "agent": wire.Version, "parts": b.parts}, "", "  ")
	if err == nil {
		err = b.write("manifest.json", manifest)
	}
	return b.parts, errors.Join(err, b.zip.Close())
}

// given are the files in which the centre's configuration is kept; it may hold what agent.yaml does not.
func (b *bundle) given() (texts []string) {
	if b.config == nil {
		return nil
	}
	for _, name := range []string{acceptedFile, trialFile, refusedFile} {
		if text, err := os.ReadFile(filepath.Join(b.config.Path("config"), name)); err == nil {
			texts = append(texts, givenYAML(text))
		}
	}
	return texts
}

// givenYAML is the configuration within what is kept of it. The rest is bookkeeping, whose own "key" is no secret.
func givenYAML(text []byte) string {
	var kept struct {
		YAML *string `json:"yaml"`
	}
	if json.Unmarshal(text, &kept) != nil || kept.YAML == nil {
		return string(text)
	}
	return *kept.YAML
}

// add puts text in, without secrets and within bounds: what is too long is cut at its beginning, since its end is the newer.
func (b *bundle) add(name, what, text string) {
	part := Part{Name: name, What: what}
	if over := len(text) - partLimit; over > 0 {
		part.Left = fmt.Sprintf("its first %d bytes", over)
		text = text[over:]
	}
	text = b.r.text(text)
	if b.used+len(text) > bundleLimit {
		b.leave(name, what, "there is no more room")
		return
	}
	if err := b.write(name, []byte(text)); err != nil {
		b.leave(name, what, err.Error())
		return
	}
	b.used += len(text)
	part.Bytes = len(text)
	b.parts = append(b.parts, part)
}

func (b *bundle) addJSON(name, what string, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		b.leave(name, what, err.Error())
		return
	}
	b.add(name, what, string(text))
}

func (b *bundle) leave(name, what, why string) {
	b.parts = append(b.parts, Part{Name: name, What: what, Left: b.r.text(why)})
}

func (b *bundle) write(name string, text []byte) error {
	w, err := b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: now()})
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func (b *bundle) system() string {
	host, _ := os.Hostname() // its absence is shown as such
	self, _ := os.Executable()
	text := fmt.Sprintf("agent %s, %s, %s/%s, %d processors\nhost %s\nprogram %s\ntime %s\nuser id %d\n", wire.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		host, self, now().Format(time.RFC3339), os.Geteuid())
	if i, err := service.Inspect(); err == nil {
		text += fmt.Sprintf("service installed %v, running %v %s\n", i.Installed, i.Running, strings.Join(i.Faults, " "))
	}
	if b.config != nil {
		if free, err := diskFree(b.config.DataDir); err == nil {
			text += fmt.Sprintf("disk of data_dir: %d MB free\n", free>>20)
		}
	}
	return text
}

// running adds what a running agent says.
func (b *bundle) running(ctx context.Context) {
	const status, metrics = "status.json", "metrics.txt"
	if b.config == nil {
		b.leave(status, "what the running agent says", "the configuration does not read, so it cannot be found")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	h, err := health.Ask(ctx, b.config.DataDir)
	if err != nil {
		b.leave(status, "what the running agent says", err.Error())
		return
	}
	if text, err := health.JSON(h); err == nil {
		b.add(status, "what the running agent says", text)
	}
	answer, err := health.Get(ctx, b.config.DataDir, "/metrics")
	if err != nil {
		b.leave(metrics, "its numbers", err.Error())
		return
	}
	defer answer.Close()
	text, err := io.ReadAll(io.LimitReader(answer, partLimit))
	if err != nil {
		b.leave(metrics, "its numbers", err.Error())
		return
	}
	b.add(metrics, "its numbers", string(text))
}

// certificates adds what is public of the site's identity.
func (b *bundle) certificates() {
	for name, path := range map[string]string{"identity/site.crt.txt": b.config.MQTT.Certificate, "identity/ca.crt.txt": b.config.MQTT.CA} {
		if path == "" {
			continue
		}
		c, err := enrol.ReadCertificate(b.config.Path(path))
		if err != nil {
			b.leave(name, "a certificate, in words", err.Error())
			continue
		}
		b.add(name, "a certificate, in words", fmt.Sprintf("subject %s\nuri %v\nissuer %s\nserial %s\nfrom %s\nuntil %s\n", c.Subject, c.URIs, c.Issuer, c.SerialNumber.Text(16),
			c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339)))
	}
}

// logs adds the ends of the log: of the files named, and of what the service manager keeps.
func (b *bundle) logs(ctx context.Context, files []string) {
	for i, path := range files {
		name := fmt.Sprintf("log/%d-%s", i+1, filepath.Base(path))
		text, err := endOf(path, partLimit/2)
		if err != nil {
			b.leave(name, "the end of a log", err.Error())
			continue
		}
		b.add(name, "the end of "+path, string(text))
	}
	const kept, what = "log/service.txt", "the last lines that the service manager keeps"
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ask := exec.CommandContext(ctx, "journalctl", "--unit", service.Name, "--no-pager", "--output", "short-iso", "--lines", "10000")
	if runtime.GOOS == "windows" {
		ask = exec.CommandContext(ctx, "wevtutil", "qe", "Application", "/q:*[System[Provider[@Name='"+service.Name+"']]]", "/c:500", "/rd:true", "/f:text")
	}
	var out bytes.Buffer
	ask.Stdout = &ending{&out, partLimit / 2}
	if err := ask.Run(); err != nil {
		b.leave(kept, what, err.Error())
		return
	}
	b.add(kept, what, out.String())
}

// endOf reads the end of a file, whatever its size, from the beginning of a line.
func endOf(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	cut := info.Size() > most
	if cut {
		if _, err := file.Seek(-most, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(file, most))
	if line := bytes.IndexByte(text, '\n'); cut && line >= 0 {
		text = text[line+1:] // half a line may be half a secret
	}
	return text, err
}

// ending keeps the last bytes that are written to it.
type ending struct {
	kept *bytes.Buffer
	most int
}

func (e *ending) Write(text []byte) (int, error) {
	e.kept.Write(text)
	if e.kept.Len() > 2*e.most {
		e.kept.Next(e.kept.Len() - e.most)
	}
	return len(text), nil
}

// listing names the files below a folder.
func listing(dir string) string {
	var b strings.Builder
	rows := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
			return nil
		}
		if rows++; rows > folderRows {
			fmt.Fprintf(&b, "... and more\n")
			return filepath.SkipAll
		}
		if info, err := d.Info(); err == nil {
			fmt.Fprintf(&b, "%s %12d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), path)
		}
		return nil
	})
	if err != nil {
		fmt.Fprintf(&b, "%v\n", err)
	}
	return b.String()
}
