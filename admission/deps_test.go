package admission

import (
	"os/exec"
	"strings"
	"testing"
)

// A service that does not import this package must not link what measures the machine.
func TestTheEngineDoesNotImportTheMeasures(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../pool", "../redisstore", "../worker").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gopsutil", "ltsworker/admission"} {
		if strings.Contains(string(out), name) {
			t.Errorf("the engine imports %s", name)
		}
	}
}
