package install_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/dockline/dockline/testenv"
)

// image is an OCI archive that was read: every blob by its digest.
type image struct {
	blobs map[string][]byte
	index struct {
		Manifests []struct {
			Digest      string
			Annotations map[string]string
		}
	}
	manifest struct {
		Config struct{ Digest string }
		Layers []struct {
			Digest string
			Size   int
		}
	}
	config struct {
		Architecture string
		Config       struct {
			User       string
			Entrypoint []string
			Cmd        []string
		}
		Rootfs struct {
			Diffs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
}

// openImage reads an archive and holds every blob against its digest.
func openImage(t *testing.T, path string) *image {
	t.Helper()
	i := &image{blobs: map[string][]byte{}}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	other := map[string][]byte{}
	for archive := tar.NewReader(file); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(h.Name, "./")
		digest, isBlob := strings.CutPrefix(name, "blobs/sha256/")
		if !isBlob || digest == "" {
			other[name] = text
			continue
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != digest {
			t.Errorf("blob %s has another digest", digest)
		}
		i.blobs["sha256:"+digest] = text
	}
	if err := json.Unmarshal(other["index.json"], &i.index); err != nil || len(i.index.Manifests) != 1 || len(other["oci-layout"]) == 0 {
		t.Fatalf("index: %v %s", err, other["index.json"])
	}
	if err := errors.Join(json.Unmarshal(i.blobs[i.index.Manifests[0].Digest], &i.manifest), json.Unmarshal(i.blobs[i.manifest.Config.Digest], &i.config)); err != nil {
		t.Fatal(err)
	}
	return i
}

// unpack lays the image's layers into a folder.
func (i *image) unpack(t *testing.T, dir string) {
	t.Helper()
	if len(i.manifest.Layers) == 0 || len(i.manifest.Layers) != len(i.config.Rootfs.Diffs) {
		t.Fatalf("%d layers, %d contents", len(i.manifest.Layers), len(i.config.Rootfs.Diffs))
	}
	for n, layer := range i.manifest.Layers {
		blob := i.blobs[layer.Digest]
		if len(blob) != layer.Size {
			t.Errorf("layer %d has %d bytes, its manifest says %d", n, len(blob), layer.Size)
		}
		unzipped, err := gzip.NewReader(strings.NewReader(string(blob)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(unzipped)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); "sha256:"+hex.EncodeToString(sum[:]) != i.config.Rootfs.Diffs[n] {
			t.Errorf("layer %d has other contents than the configuration says", n)
		}
		cmd := exec.CommandContext(t.Context(), "tar", "-C", dir, "-xpf", "-")
		cmd.Stdin = strings.NewReader(string(text))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
}

// TestTheImageRuns: the image that is made without a builder is whole, and a collector is at work with nothing but what is in it.
//
// Shows: S36
func TestTheImageRuns(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root folder")
	}
	path := filepath.Join(t.TempDir(), "collector.tar")
	if err := run(t.Context(), "installers/container/image.sh", "1.0.0~rc1+3.gabcdef0", filepath.Join(packages(t), "programs-"+version, "dockline-collector"), runtime.GOARCH, path); err != nil {
		t.Fatal(err)
	}
	i := openImage(t, path)
	if tag := i.index.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`).MatchString(tag) {
		t.Errorf("no image can have the tag %q", tag)
	}
	root := t.TempDir()
	i.unpack(t, root)
	if c := i.config; c.Architecture != runtime.GOARCH || c.Config.User != "65532:65532" || strings.Join(append(c.Config.Entrypoint, c.Config.Cmd...), " ") != "/usr/bin/dockline-collector run --config /etc/dockline/collector.yaml" {
		t.Errorf("configuration: %+v", c)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	broker, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	const config = "/var/lib/dockline-collector/collector.yaml"
	text := fmt.Sprintf("data_dir: /var/lib/dockline-collector\nmqtt: {listen: \"127.0.0.1:%d\"}\nhttp: {listen: \"127.0.0.1:%d\"}\n", broker, pages)
	if err := os.WriteFile(filepath.Join(root, config), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("/usr/bin/dockline-collector", "run", "--config", config)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", []string{}, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}, Pdeathsig: syscall.SIGKILL}
	cmd.Path = "/usr/bin/dockline-collector"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "it is well", func() bool {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", pages))
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}, func() string { text, _ := os.ReadFile(log.Name()); return string(text) })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("asked to stop: %v", err)
	}
}
