// Package compose_test holds the collector's compose file against what there is: images, files, ports and settings by the file itself, and its configuration,
// its Mosquitto and its PostgreSQL at work without containers. No Docker has run it here.
package compose_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/collector"
)

const folder = "../../../installers/container"

// file is compose.yaml, with all keys that it uses: another one is an error.
type file struct {
	Services map[string]service
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
}

type service struct {
	Image, User, Restart string
	StopGracePeriod      string `yaml:"stop_grace_period"`
	Command              []string
	Ports                []string
	Volumes              []string
	Secrets              []string
	Environment          map[string]string
	Healthcheck          *struct {
		Test     []string
		Interval string
		Retries  int
	}
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	ReadOnly    bool                                  `yaml:"read_only"`
	Tmpfs       []string
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
}

// read is the file, its text, and the configuration beside it.
func read(t *testing.T) (file, string, *collector.Config) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	config, err := collector.LoadConfig(filepath.Join(folder, "collector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return f, string(text), config
}

// bound is where a bind mount of the folder stands in a container, "" where the service has none of it.
func (s service) bound(path string) string {
	for _, v := range s.Volumes {
		if from, to, ok := strings.Cut(v, ":"); ok && from == "./"+path {
			return strings.TrimSuffix(to, ":ro")
		}
	}
	return ""
}

// TestComposeFile: what the file names exists: images of one version each, files that are there or that its first lines make, ports at which the
// configuration listens, paths that the image and the configuration have, health checks by programs that are in their image.
func TestComposeFile(t *testing.T) {
	f, text, config := read(t)
	steps, _, _ := strings.Cut(text, "\nservices:")
	for name, s := range f.Services {
		if name != "collector" && !regexp.MustCompile(`^docker\.io/[a-z/-]+:\d+\.\d+(\.\d+)?$`).MatchString(s.Image) {
			t.Errorf("%s: the image %s has no version of its own", name, s.Image)
		}
		if s.Restart != "always" {
			t.Errorf("%s is not started again", name)
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			path, isPath := strings.CutPrefix(from, "./")
			if !isPath {
				if _, ok := f.Volumes[from]; !ok {
					t.Errorf("%s: there is no volume %s", name, from)
				}
				continue
			}
			first, _, _ := strings.Cut(path, "/")
			if _, err := os.Stat(filepath.Join(folder, first)); err != nil && !regexp.MustCompile(`mkdir -p[a-z ]* `+first+`\b`).MatchString(steps) {
				t.Errorf("%s: %s is not there, and nothing makes it", name, from)
			}
		}
		for _, secret := range s.Secrets {
			made, ok := strings.CutPrefix(f.Secrets[secret].File, "./")
			if !ok || !strings.Contains(steps, ">"+made) {
				t.Errorf("%s: nothing writes the secret %s", name, secret)
			}
		}
		for other, on := range s.DependsOn {
			if there, ok := f.Services[other]; !ok || on.Condition == "service_healthy" && there.Healthcheck == nil {
				t.Errorf("%s waits for %s, which never is %s", name, other, on.Condition)
			}
		}
	}
	if h := f.Services["postgres"].Healthcheck; h == nil || !slices.Equal(h.Test[:2], []string{"CMD", "pg_isready"}) {
		t.Error("PostgreSQL is not asked by its own program")
	}
	c := f.Services["collector"]
	if h := c.Healthcheck; h != nil && (h.Test[0] != "CMD" || h.Test[1] != "/usr/bin/dockline-collector") {
		t.Errorf("the collector's image has no %v", h.Test)
	}
	for where, address := range map[string]string{"8884:8884": config.Identity.Listen, "127.0.0.1:8080:8080": config.HTTP.Listen} {
		if port := where[strings.LastIndex(where, ":"):]; !slices.Contains(c.Ports, where) || address != "0.0.0.0"+port {
			t.Errorf("ports %v, and it listens at %s", c.Ports, address)
		}
	}
	if ports := f.Services["mosquitto"].Ports; !slices.Equal(ports, []string{"8883:8883"}) || config.MQTT.URL != "mqtts://mosquitto:8883" {
		t.Errorf("Mosquitto at %v, and the collector looks for it at %s", ports, config.MQTT.URL)
	}
	image, err := os.ReadFile(filepath.Join(folder, "Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`ENTRYPOINT ["/usr/bin/dockline-collector"]`, `CMD ["run", "--config", "` + c.bound("collector.yaml") + `"]`, "VOLUME " + c.bound("data"), "USER " + f.Services["mosquitto"].User} {
		if !strings.Contains(string(image), line+"\n") {
			t.Errorf("the image has not %s", line)
		}
	}
	if c.bound("data") != config.DataDir || c.bound("packages") != config.Install.Packages || !strings.HasPrefix(c.Environment["PGPASSFILE"], config.DataDir+"/") {
		t.Errorf("the collector's folders are %v, its configuration says %s and %s", c.Volumes, config.DataDir, config.Install.Packages)
	}
	broker := f.Services["mosquitto"].bound("data/broker")
	if broker != config.DataDir+"/broker" || !slices.Contains(f.Services["mosquitto"].Command, broker+"/mosquitto.conf") || !strings.Contains(steps, "--out "+broker+"\n") {
		t.Errorf("Mosquitto reads %v", f.Services["mosquitto"].Command)
	}
	if !strings.Contains(steps, "postgres:5432:"+f.Services["postgres"].Environment["POSTGRES_DB"]+":"+f.Services["postgres"].Environment["POSTGRES_USER"]+":PASSWORD >data/pgpass") || !strings.Contains(steps, ">data/"+config.HTTP.TokenFile) {
		t.Error("the steps write neither or only one of pgpass and token")
	}
}
