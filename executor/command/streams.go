package command

import (
	"io"
	"os"
	"os/exec"
	"sync"
)

// streams are this process's ends of the pipes of a started command. exec.Cmd does not
// manage them, because its Wait cannot kill the group between the exit of the command
// and the end of its output.
type streams struct {
	files   []*os.File // standard input, output and error of the command
	outputs []output
	drained chan struct{} // closed when nothing copies output any more
	copies  sync.WaitGroup
}

// output is an output of the command and where it goes.
type output struct {
	from *os.File
	to   io.Writer
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
	s.outputs = []output{{ours[1], stdout}, {ours[2], stderr}}
	var outputs sync.WaitGroup
	for _, o := range s.outputs {
		outputs.Go(func() { _, _ = io.Copy(o.to, o.from) })
	}
	s.copies.Go(func() {
		outputs.Wait()
		close(s.drained)
	})
	return s, nil
}

// close ends the copying after it has read what the pipes hold. The command has ended
// and its group was killed, so the pipes hold all of its output. A process that left the
// group may keep them open, and may write for as long as it likes: close does not wait
// for it.
func (s *streams) close() {
	s.readRest()
	closeAll(s.files)
	s.copies.Wait()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
