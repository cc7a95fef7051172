//go:build unix

package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const hasUmask = true

// limiterName is the argv[0] under which this program acts as a limiter: it sets the
// umask and the limits of its own process and then executes the command. So the command
// has them from its first instruction on, and no other process ever has them.
//
// Its arguments are the settings, the path of the program, and the command.
const limiterName = "command-limits"

// limiterResult is the file descriptor to which a limiter writes why it could not execute
// the command: the number of the error, a space, what failed. It is closed by the
// execution.
const limiterResult = 3

func init() {
	if len(os.Args) == 0 || os.Args[0] != limiterName {
		return
	}
	if len(os.Args) < 4 {
		limiterFailed(syscall.EINVAL, "read the arguments")
	}
	limit(os.Args[1], os.Args[2], os.Args[3:])
}

// limit never returns.
func limit(text, path string, args []string) {
	syscall.CloseOnExec(limiterResult)
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		limiterFailed(syscall.EINVAL, "read the settings")
	}
	if s.Umask >= 0 {
		syscall.Umask(s.Umask)
	}
	executeLimited(path, args, s.Limits)
}

// limiterFailed reports an error of a system call; it never returns.
func limiterFailed(err error, what string) {
	errno := syscall.EINVAL
	_ = errors.As(err, &errno)
	_, _ = syscall.Write(limiterResult, []byte(strconv.Itoa(int(errno))+" "+what))
	os.Exit(2)
}

// limiter is a limiter that becomes the command.
type limiter struct {
	path           string
	result, theirs *os.File
}

// newLimiter makes cmd, which is not yet started, start by a limiter.
func newLimiter(cmd *exec.Cmd, text string) (*limiter, error) {
	program, err := guardProgram()
	if err != nil {
		return nil, err
	}
	l := &limiter{path: cmd.Path}
	if l.result, l.theirs, err = os.Pipe(); err != nil {
		return nil, err
	}
	cmd.Args = append([]string{limiterName, text, cmd.Path}, cmd.Args...)
	cmd.Path = program
	cmd.ExtraFiles = []*os.File{l.theirs}
	return l, nil
}

// await waits until a started limiter has become the command. It returns why it could not.
func (l *limiter) await() error {
	l.theirs.Close()
	_ = l.result.SetReadDeadline(time.Now().Add(guardStartTimeout))
	b, err := io.ReadAll(l.result)
	if err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	if len(b) == 0 {
		return nil
	}
	number, what, _ := strings.Cut(string(b), " ")
	errno, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("set limits: %q", b)
	}
	return &os.PathError{Op: what, Path: l.path, Err: syscall.Errno(errno)}
}

func (l *limiter) close() {
	l.theirs.Close()
	l.result.Close()
}

// argumentsTooLong reports whether a start failed because of the size of the arguments and
// the environment.
func argumentsTooLong(err error) bool { return errors.Is(err, syscall.E2BIG) }
