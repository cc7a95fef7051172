package remote

import (
	"os/exec"
	"strings"
	"testing"
)

func TestProgramsWithoutTheImportAreBuiltWithoutItsLibraries(t *testing.T) {
	const module = "github.com/ltsworker/ltsworker/"
	out, err := exec.Command("go", "list", "-deps", module+"pool", module+"redisstore", module+"worker", module+"executor/command", module+"executor/async").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(path, "github.com/standard-webhooks/") || strings.HasPrefix(path, "code.dny.dev/") || path == module+"executor/remote" || path == module+"internal/egress" {
			t.Errorf("a program that embeds a pool is built with %s", path)
		}
	}
}
