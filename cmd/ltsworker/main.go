// Command ltsworker is the command-line tool of the worker pool for operators. It runs replicas
// from a config file, enqueues tasks, shows the state of the pool and changes it.
//
// Run it without arguments for the list of commands. "ltsworker demo" needs only this binary.
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
	// The first signal ends the context. The second one kills the process, unless a
	// command handles it.
	context.AfterFunc(ctx, stop)
	// The Redis client also returns every error, and the command reports it once.
	logging.Disable()
	root := newRoot()
	root.SetArgs(terminal.WithoutIsolates(os.Args[1:]))
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		explain(os.Stderr, cmd, err)
	}
	os.Exit(exitCode(err))
}
