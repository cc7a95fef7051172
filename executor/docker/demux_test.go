package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

func frame(stream byte, data string) []byte {
	b := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[4:], uint32(len(data)))
	return append(b, data...)
}

func TestDemux(t *testing.T) {
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	for name, c := range map[string]struct {
		in       []byte
		out, err string
		want     string // of the error
	}{
		"nothing":           {},
		"both streams":      {in: join(frame(1, "a\n"), frame(2, "x\n"), frame(1, ""), frame(0, "b\n"), frame(2, "y")), out: "a\nb\n", err: "x\ny"},
		"ends in a header":  {in: join(frame(1, "a"), []byte{1, 0, 0}), out: "a", want: io.ErrUnexpectedEOF.Error()},
		"ends in the data":  {in: frame(2, "abc")[:10], err: "ab", want: io.ErrUnexpectedEOF.Error()},
		"ends before data":  {in: frame(2, "abc")[:8], want: io.ErrUnexpectedEOF.Error()},
		"error of engine":   {in: join(frame(1, "a"), frame(3, "driver failed"), frame(1, "b")), out: "a", want: "the engine cannot read the output: driver failed"},
		"unknown stream":    {in: frame(9, "a"), want: "the output of the container has the unknown stream 9"},
		"not multiplexed":   {in: []byte("hello world\n"), want: "the output of the container is not multiplexed: a frame begins with 68 65 6c 6c 6f 20 77 6f"},
		"more than it says": {in: []byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'a'}, out: "a", want: io.ErrUnexpectedEOF.Error()},
	} {
		var out, errs bytes.Buffer
		err := demux(&out, &errs, bytes.NewReader(c.in))
		text := ""
		if err != nil {
			text = err.Error()
		}
		if out.String() != c.out || errs.String() != c.err || text != c.want {
			t.Errorf("%s: %q, %q, %v", name, out.String(), errs.String(), err)
		}
	}
}

func FuzzDemux(f *testing.F) {
	f.Add([]byte("a"), []byte("b"), []byte("tail"))
	f.Add([]byte{}, []byte{2, 0, 0, 0}, frame(2, "x"))
	f.Fuzz(func(t *testing.T, a, b, rest []byte) {
		var out, errs bytes.Buffer
		in := bytes.Join([][]byte{frame(1, string(a)), frame(2, string(b)), frame(1, string(b))}, nil)
		if err := demux(&out, &errs, bytes.NewReader(in)); err != nil || out.String() != string(a)+string(b) || errs.String() != string(b) {
			t.Errorf("%q, %q, %v", out.Bytes(), errs.Bytes(), err)
		}
		out.Reset()
		errs.Reset()
		err := demux(&out, &errs, bytes.NewReader(rest))
		if n := out.Len() + errs.Len(); n > len(rest) || err == nil && n > max(0, len(rest)-frameHeader) {
			t.Errorf("%d bytes from %d, %v", n, len(rest), err)
		}
		if len(rest) > 0 && len(rest) < frameHeader && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
}
