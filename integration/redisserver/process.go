package redisserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// patience bounds the start and the end of a server, which normally take
// milliseconds, and a takeover. A Sentinel that got no processor time for two
// seconds does nothing for the next 30 (its tilt mode).
const patience = 2 * time.Minute

// errPortTaken is returned when another program uses the port.
var errPortTaken = errors.New("redis-server could not listen: its port is taken")

// process is one run of the program.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer  // read only after exited is closed
	exited chan struct{} // closed when the process has ended
}

// launch starts the server and waits until it answers.
func (s *Server) launch() error {
	var args []string
	if s.options.sentinel != "" {
		args = append(args, s.options.sentinel, "--sentinel")
	}
	port := "--port"
	if s.options.tls != nil {
		args, port = append(args, "--port", "0"), "--tls-port"
	}
	args = append(args, port, strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no")
	if s.options.cluster {
		args = append(args, "--cluster-port", strconv.Itoa(s.bus))
	}
	for _, kv := range s.options.config {
		args = append(args, "--"+kv[0], kv[1])
	}
	p := &process{cmd: exec.Command(s.program, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.Env = append(os.Environ(), s.options.env...)
	setDeathSignal(p.cmd)

	started := make(chan error)
	go func() {
		// The server ends with the test binary, however that ends. The kernel kills
		// the server when the thread that started it ends. The goroutine therefore
		// keeps this thread until the server has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting redis-server: %w", err)
	}
	if err := s.awaitAnswer(p); err != nil {
		_ = p.end(os.Kill)
		return err
	}
	s.process = p
	return nil
}

// awaitAnswer waits until this process, and no other, answers on the port.
func (s *Server) awaitAnswer(p *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o := s.clientOptions()
	o.MaxRetries = -1 // in go-redis -1 means no retry
	c := redis.NewClient(o)
	defer c.Close()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		info, err := c.Info(ctx, "server").Result()
		if err == nil {
			if processID(info) != p.cmd.Process.Pid {
				return errPortTaken
			}
			// INFO is answered while the server still loads its data, PING is
			// not.
			if err = c.Ping(ctx).Err(); err == nil {
				return nil
			}
		}
		select {
		case <-p.exited:
			if strings.Contains(p.output.String(), "Address already in use") {
				return errPortTaken
			}
			return fmt.Errorf("redis-server ended with %s:\n%s", p.cmd.ProcessState, p.output.Bytes())
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer on %s: %w", s.Addr(), err)
		case <-again.C:
		}
	}
}

var processIDPattern = regexp.MustCompile(`(?m)^process_id:(\d+)`)

func processID(info string) int {
	m := processIDPattern.FindStringSubmatch(info)
	if m == nil {
		return 0
	}
	pid, _ := strconv.Atoi(m[1])
	return pid
}

// end sends the signal and waits until the process has ended.
func (p *process) end(sig os.Signal) error {
	_ = p.cmd.Process.Signal(sig) // the process may have ended already
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		return fmt.Errorf("redis-server (process %d) did not end within %v of %s", p.cmd.Process.Pid, patience, sig)
	}
}

func quiet() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled, EndpointType: maintnotifications.EndpointTypeNone}
}

func (s *Server) clientOptions() *redis.Options {
	o := &redis.Options{
		Addr:                  s.Addr(),
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
		// On a busy machine a large command may exceed the default timeout; the
		// driver would then send it again.
		ReadTimeout: patience, WriteTimeout: patience,
		// Only managed services answer this handshake.
		MaintNotificationsConfig: quiet(),
		TLSConfig:                s.options.tls,
	}
	for _, kv := range s.options.config {
		if kv[0] == "requirepass" {
			o.Password = kv[1]
		}
	}
	return o
}
