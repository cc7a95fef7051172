package lighttaskscheduler_test

import (
	"os/exec"
	"strings"
	"testing"
)

func TestProgramsWithoutContainersAreBuiltWithoutTheClientOfTheEngine(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".", "./actuator", "./container/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(path, "github.com/moby/") || strings.HasSuffix(path, "/executor/docker") {
			t.Errorf("the package is built with %s", path)
		}
	}
}
