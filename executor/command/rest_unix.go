//go:build unix

package command

import (
	"errors"
	"syscall"
	"time"
)

// maxRest is the most bytes that are read from a pipe after the end of the command. It
// is the largest pipe that Linux gives to an ordinary user.
const maxRest = 1 << 20

// readRest interrupts the copying and reads what the pipes hold.
func (s *streams) readRest() {
	for _, o := range s.outputs {
		_ = o.from.SetReadDeadline(time.Unix(1, 0)) // ends a blocked read; data stays in the pipe
	}
	<-s.drained
	for _, o := range s.outputs {
		_ = o.from.SetReadDeadline(time.Time{})
		o.readHeld()
	}
}

// readHeld reads until the pipe is empty or has ended, at most maxRest bytes. It does not
// block.
func (o output) readHeld() {
	conn, err := o.from.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 32<<10)
	for total := 0; total < maxRest; {
		n, err := 0, error(nil)
		if e := conn.Read(func(fd uintptr) bool {
			n, err = syscall.Read(int(fd), buf)
			return true // also without data: do not wait for it
		}); e != nil {
			return
		}
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		_, _ = o.to.Write(buf[:n])
		total += n
	}
}
