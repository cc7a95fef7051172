// Command ltsworker is the operator's side of the worker pool: it runs replicas
// from a config file, enqueues tasks, shows what there is and changes it.
//
// Run it without arguments for the list of commands. "ltsworker demo" needs
// nothing but this binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks a command to end; a second one ends it the hard way,
	// except where a command says otherwise.
	context.AfterFunc(ctx, stop)
	// Every failure of the Redis client comes back as an error as well, and is
	// reported once.
	logging.Disable()
	root := newRoot()
	root.SetArgs(terminal.WithoutIsolates(os.Args[1:]))
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		explain(os.Stderr, cmd, err)
	}
	os.Exit(exitCode(err))
}
