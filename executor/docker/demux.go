package docker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The streams of the frames of a container's output.
const (
	streamStdin = iota // the engine writes it as standard output
	streamStdout
	streamStderr
	streamSystem // an error of the engine
)

const (
	frameHeader = 8
	// maxSystemError is how many bytes of an error of the engine are kept.
	maxSystemError = 1024
)

// demux reads the multiplexed output of a container without a terminal and writes its two
// streams. A frame has a header: the stream, three zero bytes, and the length of the data
// in four bytes, the highest first. demux returns nil if the output ends between two frames,
// and io.ErrUnexpectedEOF if it ends inside of one. The stdcopy package of the engine is not
// used: it keeps a whole frame in memory, up to 4 GiB, and reports no end inside of one.
func demux(stdout, stderr io.Writer, output io.Reader) error {
	var header [frameHeader]byte
	for {
		if _, err := io.ReadFull(output, header[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		size := int64(binary.BigEndian.Uint32(header[4:]))
		if header[1]|header[2]|header[3] != 0 {
			return fmt.Errorf("the output of the container is not multiplexed: a frame begins with % x", header)
		}
		to := stdout
		switch header[0] {
		case streamStdin, streamStdout:
		case streamStderr:
			to = stderr
		case streamSystem:
			text, err := io.ReadAll(io.LimitReader(output, min(size, maxSystemError)))
			return errors.Join(fmt.Errorf("the engine cannot read the output: %s", text), err)
		default:
			return fmt.Errorf("the output of the container has the unknown stream %d", header[0])
		}
		if n, err := io.CopyN(to, output, size); err != nil {
			if errors.Is(err, io.EOF) && n < size {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}
