package archive

import (
	"os/exec"
	"strings"
	"testing"
)

func TestProgramsWithoutTheImportAreBuiltWithoutDatabases(t *testing.T) {
	const module = "github.com/ltsworker/ltsworker/"
	out, err := exec.Command("go", "list", "-deps", module+"pool", module+"redisstore", module+"worker").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if path == "database/sql" || strings.HasPrefix(path, "modernc.org/") || strings.HasPrefix(path, "github.com/jackc/") || path == module+"archive" {
			t.Errorf("a program that embeds a pool is built with %s", path)
		}
	}
}
