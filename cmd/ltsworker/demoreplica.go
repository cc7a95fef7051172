package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/demo"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/redisurl"
)

// newDemoReplica returns the hidden command that demo starts: see demo.ReplicaCommand. Its errors
// are not usage errors, because the user did not write its command line.
func newDemoReplica() *cobra.Command {
	var o demo.ReplicaOptions
	cmd := &cobra.Command{
		Use:    demo.ReplicaCommand,
		Short:  "A replica of the demo, started by it",
		Hidden: true,
		Args:   between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			killed := make(chan struct{})
			o.Killed = killed
			go func() {
				in := cmd.InOrStdin()
				if n, _ := in.Read(make([]byte, 1)); n == 1 {
					close(killed)
				}
				io.Copy(io.Discard, in)
				os.Exit(exitFailed)
			}()
			at, err := redisurl.Parse(os.Getenv("LTS_REDIS"), false)
			if err != nil {
				return fmt.Errorf("the URL of the demo %w", err)
			}
			o.Log = logging.New(cmd.ErrOrStderr(), slog.LevelWarn)
			return demo.RunReplica(ctx, at, os.Getenv("LTS_POOL"), o)
		},
	}
	cmd.Flags().DurationVar(&o.Hold, "hold", 0, "how much longer a task takes")
	cmd.Flags().IntVar(&o.MaxEvents, "max-events", 0, "how many events are kept (default the pool's)")
	return cmd
}
