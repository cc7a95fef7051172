//go:build !unix

package command

import "time"

// outputWait is how long the output of an ended command is still read. Reads of pipes
// cannot be interrupted on systems that are not Unix.
const outputWait = 100 * time.Millisecond

// readRest waits until all output was read, at most for outputWait.
func (s *streams) readRest() {
	late := time.NewTimer(outputWait)
	defer late.Stop()
	select {
	case <-s.drained:
	case <-late.C:
	}
}
