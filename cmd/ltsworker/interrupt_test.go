package main

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestASignalEndsTheReadingOfStandardInput(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, args := range []string{"enqueue x -", "enqueue --batch -"} {
		cmd := u.command(strings.Fields(args)...)
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		var said bytes.Buffer
		cmd.Stdin, cmd.Stderr = in, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in.Close()
		// The input is larger than the buffer of a pipe. When the write returns, the command is
		// reading.
		if _, err := out.Write(bytes.Repeat([]byte("\n"), 512<<10)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the test checks the exit code
		if code := cmd.ProcessState.ExitCode(); code != exitFailed || said.String() != "ltsworker: interrupted\n" {
			t.Errorf("%s: exit code %d: %s", args, code, said.String())
		}
	}
}
