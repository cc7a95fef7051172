package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd-analyze reports every setting that systemd would ignore. The programs
// and users of the unit need not exist on this machine.
func TestUnitIsWhatSystemdUnderstands(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing; it is part of systemd: run make deploy as root on Debian, or install that")
	}
	unit, err := os.ReadFile("ltsworker.service")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ltsworker.service")
	if err := os.WriteFile(path, bytes.ReplaceAll(unit, []byte("/usr/local/bin/ltsworker"), []byte(self)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
	for l := range strings.Lines(string(out)) {
		if strings.Contains(l, "ltsworker.service") {
			t.Error(strings.TrimSpace(l))
		}
	}
	if err != nil && t.Failed() {
		t.Error(err)
	}
}
