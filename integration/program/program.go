// Package program gives tests the program ltsworker.
//
// LTSWORKER_PROGRAM names a program that is up to date: make test builds it once for all
// packages. Without it each package builds its own.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var built struct {
	sync.Mutex
	dir string // "" if it has not been built
}

// Path returns the path of the program. The TestMain of the package must call Main.
func Path(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("LTSWORKER_PROGRAM"); path != "" {
		// go test runs a test again after a file has changed that the test has asked for.
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	built.Lock()
	defer built.Unlock()
	if built.dir == "" {
		dir, err := build()
		if err != nil {
			t.Fatal(err)
		}
		built.dir = dir
	}
	return filepath.Join(built.dir, "ltsworker")
}

func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "ltsworker"); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "ltsworker"), "github.com/ltsworker/ltsworker/cmd/ltsworker")
	if out, err := build.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
}

// Main calls run, which runs the tests of a package, and removes the program if they have
// built one. It returns the exit code of run.
func Main(run func() int) int {
	defer func() {
		if built.dir != "" {
			os.RemoveAll(built.dir)
		}
	}()
	return run()
}

// In returns a path of the program in a directory of a test. No other test has it, so that
// its processes can be distinguished from those of tests that run at the same time.
func In(t testing.TB, dir string) string {
	t.Helper()
	from, to := Path(t), filepath.Join(dir, "ltsworker")
	if os.Link(from, to) == nil {
		return to
	}
	// The directories are on different file systems.
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}
