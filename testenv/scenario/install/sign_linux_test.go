package install_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/dockline/dockline/testenv"
)

// TestPackagesAreSigned: with a key and its password both packages and the list of sums carry a signature that holds, and no longer holds once a byte is another one.
func TestPackagesAreSigned(t *testing.T) {
	for _, tool := range []string{"gpg", "rpmkeys", "ar"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.SkipServer(t, tool, "not installed")
		}
	}
	home, out := t.TempDir(), t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	// do runs a line of sh with its key ring in home.
	do := func(line string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir, cmd.Env = out, append(os.Environ(), "GNUPGHOME="+home)
		return cmd.CombinedOutput()
	}
	must := func(line string) {
		t.Helper()
		if said, err := do(line); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, said)
		}
	}
	must("echo s3cret >password && gpg --batch --quiet --pinentry-mode loopback --passphrase-file password --quick-gen-key 'Nordhafen Test <packages@example.com>' rsa2048 sign never && gpg --batch --pinentry-mode loopback --passphrase-file password --armor --export-secret-keys >secret.asc && gpg --armor --export >public.asc && gpgconf --kill gpg-agent")
	t.Setenv("DOCKLINE_SIGN_GPG", filepath.Join(out, "secret.asc"))
	t.Setenv("DOCKLINE_SIGN_GPG_PASSWORD_FILE", filepath.Join(out, "password"))
	if err := run(t.Context(), "installers/linux/packages.sh", "agent", version, filepath.Join(packages(t), "programs-"+version), runtime.GOARCH, out); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(out, "dist"), 0o755); err != nil {
		t.Fatal(err)
	}
	must("cp *.deb *.rpm dist/")
	if err := run(t.Context(), "installers/sums.sh", filepath.Join(out, "dist")); err != nil {
		t.Fatal(err)
	}
	must("cp dist/SHA256SUMS* .")
	must("mkdir keys && rpmkeys --dbpath $PWD/keys --import public.asc")
	holds := map[string]string{
		"SHA256SUMS":          "gpg --batch --verify SHA256SUMS.asc %s && cd dist && sha256sum -c --quiet --strict ../%s",
		rpm("agent", version): "rpmkeys --dbpath $PWD/keys -K -v %s | grep 'Signature, key ID.*: OK' && rpmkeys --dbpath $PWD/keys -K %s",
		deb("agent", version): "ar p %s _gpgorigin >signature && (ar p %s debian-binary; ar p %s control.tar.gz; ar p %s data.tar.xz) | gpg --batch --verify signature -",
	}
	for name, line := range holds {
		check := string(bytes.ReplaceAll([]byte(line), []byte("%s"), []byte(name)))
		must(check)
		path := filepath.Join(out, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if said, err := do(check); err == nil {
			t.Errorf("%s with another byte still holds:\n%s", name, said)
		}
	}
}
