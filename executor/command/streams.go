package command

import (
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// outputWait is how long the output of an ended command is still read. Its group is
// dead by then: only a program that left the group can hold the pipes open.
const outputWait = time.Second

// streams are this process's ends of the pipes of a started command. exec.Cmd does not
// manage them, because its Wait cannot kill the group between the exit of the command
// and the end of its output.
type streams struct {
	files   []*os.File
	drained chan struct{} // closed when output and error have ended
	copies  sync.WaitGroup
}

// start starts cmd, writes input to it and copies its output and error.
func start(cmd *exec.Cmd, input []byte, stdout, stderr io.Writer) (*streams, error) {
	var theirs, ours []*os.File
	defer func() { closeAll(theirs) }()
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours)
			return nil, err
		}
		if len(ours) == 0 {
			theirs, ours = append(theirs, r), append(ours, w)
		} else {
			theirs, ours = append(theirs, w), append(ours, r)
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	if err := cmd.Start(); err != nil {
		closeAll(ours)
		return nil, err
	}

	s := &streams{files: ours, drained: make(chan struct{})}
	s.copies.Go(func() {
		// A command need not read its input: a broken pipe is no error.
		_, _ = ours[0].Write(input)
		ours[0].Close()
	})
	var outputs sync.WaitGroup
	outputs.Go(func() { _, _ = io.Copy(stdout, ours[1]) })
	outputs.Go(func() { _, _ = io.Copy(stderr, ours[2]) })
	s.copies.Go(func() {
		outputs.Wait()
		close(s.drained)
	})
	return s, nil
}

// close ends the copying after the remaining output of the ended command was read.
func (s *streams) close() {
	late := time.NewTimer(outputWait)
	defer late.Stop()
	await(late, nil, s.drained)
	closeAll(s.files)
	s.copies.Wait()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
