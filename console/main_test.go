package console

import (
	"os"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }
