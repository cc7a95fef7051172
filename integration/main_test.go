package integration

import (
	"os"
	"testing"

	"github.com/ltsworker/ltsworker/integration/program"
	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// TestMain runs the tests, or the process whose role a test has set in the
// environment.
func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		os.Exit(runProcess(role))
	}
	os.Exit(program.Main(func() int { return redisserver.Main(m) }))
}
