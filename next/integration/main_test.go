package integration

import (
	"os"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// TestMain runs the tests, or, where a test has started this binary as a
// process of its own, that process.
func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		os.Exit(runProcess(role))
	}
	os.Exit(redisserver.Main(m))
}
