package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestPlainLogHasALineForTheBeginningOfAnOutage(t *testing.T) {
	var out strings.Builder
	log := newPlainLog(&out)
	begin := func(call string) {
		log.Error("calls to the store fail", "call", call, "err", errors.New("read: reset\x1b"))
	}
	end := func(call string) { log.Warn("the store works again", "call", call) }
	begin("a")
	begin("b")
	end("a")
	end("b")
	begin("a")
	log.Info("hidden")
	log.With(slog.String("group", "g")).Warn("skipped an event", "event", "1-0")
	const failed = `ltsworker: read: reset\x1b; trying again` + "\n"
	if want := failed + failed + "ltsworker: skipped an event group=g event=1-0\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestReadersOfEventsContinueWhenRedisRestarts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args      []string
		interrupt bool
		code      int
	}{
		{[]string{"tail"}, true, exitDone},
		{[]string{"tail", "--from", "0"}, true, exitDone},
		{[]string{"wait", "a"}, false, exitFailed},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			s := redisserver.Start(t, redisserver.AOF())
			u.env[0] = "LTS_REDIS=redis://" + s.Addr() + "/0"
			u.must("enqueue", "x", "--id", "a", "--delay", "1h")
			file, err := os.Create(filepath.Join(u.dir, "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			cmd := u.command(tt.args...)
			var errOut strings.Builder
			cmd.Stdout, cmd.Stderr = file, &errOut
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			reads := func() bool {
				clients, err := s.Client(t).ClientList(t.Context()).Result()
				return err == nil && blockedRead.MatchString(clients)
			}
			u.until("the command waits for events", reads)
			s.Kill(t)
			s.Restart(t)
			u.until("the command waits for events again", reads)
			u.must("stop", "a")
			u.until("the end of the task is shown", func() bool {
				out, err := os.ReadFile(file.Name())
				return err == nil && strings.Contains(string(out), "stopped")
			})
			if tt.interrupt {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait() // the code is checked
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if line := errOut.String(); strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "ltsworker: ") || !strings.HasSuffix(line, "; trying again\n") {
				t.Errorf("standard error is %q", line)
			}
		})
	}
}

// blockedRead matches a client of a list that waits for an event.
var blockedRead = regexp.MustCompile(`(?m) flags=b .* cmd=xread `)
