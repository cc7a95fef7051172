package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// checksumFile is the task of the demo.
type checksumFile struct {
	Path string `json:"path"`
}

// Kind is the kind of the demo's tasks.
func (checksumFile) Kind() string { return "checksum" }

// newDemoReplica is what a replica process of the demo runs. It takes the URL of
// its Redis and its pool from the environment and ends with its standard input,
// which the demo holds open. Nobody typed what it takes: no error of it is one of
// usage.
func newDemoReplica() *cobra.Command {
	var (
		hold   time.Duration
		events int
	)
	cmd := &cobra.Command{
		Use:    "demo-replica",
		Short:  "A replica of the demo, started by it",
		Hidden: true,
		Args:   between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go func() {
				io.Copy(io.Discard, cmd.InOrStdin())
				os.Exit(exitFailed)
			}()
			at, err := redisurl.Parse(os.Getenv("LTS_REDIS"), false)
			if err != nil {
				return fmt.Errorf("the URL of the demo %w", err)
			}
			rdb := at.Client()
			defer rdb.Close()
			p, err := pool.New(redisstore.New(rdb, os.Getenv("LTS_POOL")), pool.Config{
				Queues:       map[string]pool.Queue{demoQueue: {Workers: demoWorkers, Limit: demoLimit}},
				Lease:        demoLease,
				DrainTimeout: time.Second,
				StopGrace:    time.Second,
				MaxEvents:    events,
				Logger:       logging.New(cmd.ErrOrStderr(), slog.LevelWarn),
			})
			if err != nil {
				return err
			}
			pool.HandleResult(p, func(ctx context.Context, t *pool.Task[checksumFile]) (checksum, error) {
				sum, err := sumFile(t.Args.Path)
				if err != nil || hold == 0 {
					return sum, err
				}
				select {
				case <-time.After(hold):
					return sum, nil
				case <-ctx.Done():
					return checksum{}, context.Cause(ctx)
				}
			})
			return p.Run(ctx)
		},
	}
	cmd.Flags().DurationVar(&hold, "hold", 0, "how much longer a task takes")
	cmd.Flags().IntVar(&events, "max-events", 0, "how many events are kept (default the pool's)")
	return cmd
}

var errReplicasGone = errors.New("all replicas have ended")

// team is the replica processes of a demo.
type team struct {
	members []*member
	killed  string // the id of the replica that was killed, "" for none
}

// member is one replica process.
type member struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   tailBuffer
	id    string // of the replica, once it has joined
	ended chan struct{}
}

// startTeam starts the replicas. The error of fail is that of all of them having
// ended although they should run.
func startTeam(d *demoPlace, hold time.Duration, fail context.CancelCauseFunc) (*team, error) {
	t := &team{}
	self, err := os.Executable()
	if err != nil {
		return t, fmt.Errorf("find this program: %w", err)
	}
	// Linux ties the parent-death signal to the thread that started the process:
	// this one must live as long as the demo.
	runtime.LockOSThread()
	var mu sync.Mutex
	left := demoReplicas
	for range demoReplicas {
		m := &member{cmd: exec.Command(self, "demo-replica", "--hold", hold.String(), "--max-events", strconv.Itoa(d.maxEvents)), ended: make(chan struct{})}
		m.cmd.Env = append(os.Environ(), "LTS_REDIS="+d.redis, "LTS_POOL="+d.Name)
		m.cmd.Stderr = &m.log
		m.cmd.SysProcAttr = childAttributes()
		stdin, err := m.cmd.StdinPipe()
		if err != nil {
			return t, fmt.Errorf("start a replica: %w", err)
		}
		m.stdin = stdin
		if err := m.cmd.Start(); err != nil {
			return t, fmt.Errorf("start a replica: %w", err)
		}
		t.members = append(t.members, m)
		go func() {
			// How it ended is in the log, or was intended.
			_ = m.cmd.Wait()
			close(m.ended)
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				fail(errors.Join(errReplicasGone, m.log.err()))
			}
		}()
	}
	return t, nil
}

// joinTimeout is how long the replicas may take to start and join.
const joinTimeout = 30 * time.Second

// awaitJoined waits until every replica has joined and knows its id.
func (t *team) awaitJoined(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, joinTimeout, errors.New("the replicas did not join in time"))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		replicas, err := c.Replicas(ctx)
		if err != nil {
			return interrupted(ctx, err)
		}
		joined := 0
		for _, m := range t.members {
			for _, r := range replicas {
				if r.PID == m.cmd.Process.Pid {
					m.id = r.ID
					joined++
				}
			}
		}
		if joined == len(t.members) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// kill ends the member with SIGKILL and returns when it is gone.
func (m *member) kill() error {
	if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill a replica: %w", err)
	}
	<-m.ended
	return nil
}

// stopTimeout is how long a replica may take to drain at the end.
const stopTimeout = 5 * time.Second

// stop ends all members, at the latest with SIGKILL, and returns when none is
// left.
func (t *team) stop() {
	for _, m := range t.members {
		_ = m.cmd.Process.Signal(syscall.SIGTERM)
	}
	late := time.After(stopTimeout)
	for _, m := range t.members {
		select {
		case <-m.ended:
		case <-late:
			for _, m := range t.members {
				_ = m.cmd.Process.Kill()
			}
			<-m.ended
		}
		m.stdin.Close()
	}
}

// tailBuffer keeps the end of what a replica writes to its log, until that has
// ended.
type tailBuffer struct{ buf []byte }

// tailMax is how much a tailBuffer keeps, in bytes.
const tailMax = 4096

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p...)
	if n := len(b.buf) - tailMax; n > 0 {
		b.buf = append(b.buf[:0], b.buf[n:]...)
	}
	return len(p), nil
}

// err is the log as an error, nil where it is empty.
func (b *tailBuffer) err() error {
	if s := strings.TrimSpace(string(bytes.ToValidUTF8(b.buf, []byte("?")))); s != "" {
		return errors.New(s)
	}
	return nil
}
