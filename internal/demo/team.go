package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
)

var errReplicasGone = errors.New("all replicas have ended")

// team is the replica processes of a demo.
type team struct {
	members []*member
	killed  string // the id of the replica that was killed, "" for none
}

// member is one replica process.
type member struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   tailBuffer
	id    string // of the replica, once it has joined
	ended chan struct{}
}

// startTeam starts the replicas. When all have ended it calls fail with errReplicasGone
// and the log of the last one.
func startTeam(p *Place, hold time.Duration, fail context.CancelCauseFunc) (*team, error) {
	t := &team{}
	self, err := os.Executable()
	if err != nil {
		return t, fmt.Errorf("find this program: %w", err)
	}
	// The parent-death signal of Linux is sent when the thread that started the process
	// ends: this thread must live as long as the demo.
	runtime.LockOSThread()
	var mu sync.Mutex
	left := Replicas
	for range Replicas {
		m := &member{cmd: exec.Command(self, ReplicaCommand, "--hold", hold.String(), "--max-events", strconv.Itoa(p.maxEvents)), ended: make(chan struct{})}
		m.cmd.Env = append(os.Environ(), "LTS_REDIS="+p.url, "LTS_POOL="+p.Name)
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
			// The log of a replica that failed has the reason.
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

// joinTimeout bounds the start of the replicas until all have joined.
const joinTimeout = 30 * time.Second

// awaitJoined waits until every replica has joined, and sets the ids of the members.
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

// kill kills the replica with SIGKILL and waits until it has ended.
func (m *member) kill() error {
	if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill a replica: %w", err)
	}
	<-m.ended
	return nil
}

// releaseVictim informs the replicas that one of them has been killed, so that victimTask ends.
func (t *team) releaseVictim() {
	for _, m := range t.members {
		// A replica that has ended, such as the killed one, cannot be written to.
		_, _ = m.stdin.Write([]byte{'\n'})
	}
}

// stopTimeout bounds the drain of the replicas at the end.
const stopTimeout = 5 * time.Second

// stop asks all replicas to drain, kills those that take longer than stopTimeout, and
// waits until all have ended.
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
