package agent

import (
	"os"
	"path/filepath"
	"testing"
)

// What the data folder keeps of the centre's configuration is read or refused by its file, whatever became of the files; what was read stands
// the same after one more start.
func FuzzSettings(f *testing.F) {
	one := `{"key":"config/dc-east","version":3,"yaml":"journal: {limit: 1GB}"`
	f.Add([]byte(one+"}"), []byte(""), []byte(""), []byte(""))
	f.Add([]byte(one+"}"), []byte(one+`,"begun":true}`), []byte("null"), []byte(`{"key":"config/dc-east","version":3}`))
	f.Add([]byte("null"), []byte("[]"), []byte("{"), []byte(`{"former":`+one+"}}"))
	f.Fuzz(func(t *testing.T, accepted, trial, refused, watch []byte) {
		dir := t.TempDir()
		for name, text := range map[string][]byte{acceptedFile: accepted, trialFile: trial, refusedFile: refused, watchFile: watch} {
			if len(text) == 0 {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := openSettings(dir)
		if err != nil {
			return
		}
		was, _ := s.last()
		again, err := openSettings(dir)
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if is, _ := again.last(); (was == nil) != (is == nil) || was != nil && (was.Key != is.Key || was.Version != is.Version || was.YAML != is.YAML) {
			t.Fatalf("accepted was %+v, is %+v", was, is)
		}
		if again.trial != nil && again.trial.Begun {
			t.Fatal("a trial that ended its agent is tried again")
		}
	})
}
