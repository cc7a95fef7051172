package pooltest_test

import (
	"os/exec"
	"strings"
	"testing"
)

func TestProgramsWithoutTheImportAreBuiltWithoutPooltest(t *testing.T) {
	const module = "github.com/ltsworker/ltsworker/"
	out, err := exec.Command("go", "list", "-deps", module+"pool", module+"redisstore", module+"executor/command").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if path == "testing" || strings.HasPrefix(path, "github.com/alicebob/miniredis") || path == module+"pool/pooltest" {
			t.Errorf("a program that embeds a pool is built with %s", path)
		}
	}
}
