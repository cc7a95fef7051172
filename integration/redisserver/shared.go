package redisserver

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared is the server of a package's tests. The first test that needs it
// starts it.
var shared struct {
	sync.Mutex
	dir    string // "" outside Main
	server *Server
	err    error
}

// Main runs the tests of a package that uses Shared and ends the shared server
// afterwards. It returns the exit code.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "redisserver")
	if err != nil {
		fmt.Fprintln(os.Stderr, "redisserver:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared.Lock()
	shared.dir = dir
	shared.Unlock()
	code := m.Run()

	shared.Lock()
	defer shared.Unlock()
	if s := shared.server; s != nil && s.process != nil {
		if err := s.process.end(os.Kill); err != nil {
			fmt.Fprintln(os.Stderr, "redisserver:", err)
			return max(code, 1)
		}
	}
	return code
}

// Shared returns the server that all tests of the package share. Tests must not
// stop it. Each test uses its own pool name, or flushes the server if nothing
// runs in parallel. The package's TestMain must call Main.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.dir == "" {
		t.Fatal("redisserver.Shared needs func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = start(shared.dir)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}
