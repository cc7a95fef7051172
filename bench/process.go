package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// process is a child as used by its parent. Its methods must be called from one goroutine.
type process struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies *bufio.Reader
	version string
	once    sync.Once
}

// spawn starts a process of the system and opens the system in it.
func spawn(ctx context.Context, name string, e env) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-child", name)
	if name == bullmq {
		if _, err := os.Stat("bullmq/node_modules"); err != nil {
			return nil, errors.New("BullMQ is not installed: run npm install --no-save --ignore-scripts in bench/bullmq, or leave it out with -systems")
		}
		cmd = exec.CommandContext(ctx, "node", "bullmq/driver.js")
		cmd.Env = append(os.Environ(), "NODE_ENV=production")
	}
	cmd.Stderr = os.Stderr
	p := &process{name: name, cmd: cmd}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.replies = bufio.NewReaderSize(out, 1<<16)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r, err := p.ask(request{Op: "open", env: e})
	if err != nil {
		p.kill()
		return nil, err
	}
	p.version = r.Version
	return p, nil
}

func (p *process) ask(q request) (reply, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return reply{}, err
	}
	if _, err := p.in.Write(append(text, '\n')); err != nil {
		return reply{}, fmt.Errorf("%s: %s: %w", p.name, q.Op, err)
	}
	answer, err := p.replies.ReadBytes('\n')
	if err != nil {
		return reply{}, fmt.Errorf("%s: %s: the process ended: %w", p.name, q.Op, err)
	}
	var r reply
	if err := json.Unmarshal(answer, &r); err != nil {
		return reply{}, fmt.Errorf("%s: %s: %q: %w", p.name, q.Op, answer, err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("%s: %s: %s", p.name, q.Op, r.Error)
	}
	return r, nil
}

// end stops the workers gracefully, then the process.
func (p *process) end() error {
	var err error
	p.once.Do(func() {
		_, err = p.ask(request{Op: "stop"})
		if _, e := p.ask(request{Op: "close"}); err == nil {
			err = e
		}
		p.in.Close()
		if e := p.cmd.Wait(); err == nil {
			err = e
		}
	})
	return err
}

// kill ends the process with SIGKILL and waits for its end.
func (p *process) kill() {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		p.in.Close()
		_ = p.cmd.Wait()
	})
}
