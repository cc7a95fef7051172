package terminal

import (
	"bytes"
	"testing"

	"github.com/hinshun/vt10x"
)

func TestBoardIsDrawnInPlace(t *testing.T) {
	screen := vt10x.New(vt10x.WithSize(20, 6))
	var out bytes.Buffer
	board := NewBoard(&out)
	shows := func(want string) {
		t.Helper()
		screen.Write(bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte("\r\n")))
		out.Reset()
		got := screen.String()
		if len(got) < len(want) || got[:len(want)] != want || len(bytes.TrimSpace([]byte(got[len(want):]))) > 0 {
			t.Errorf("the screen is\n%s\nwant\n%s", got, want)
		}
	}
	board.Draw([]string{"one", "two", "three"})
	board.Draw([]string{"four", "\x1b[31mfive\x1b[0m"})
	shows("four                \nfive                \n")
	board.Clear()
	out.WriteString("note\n")
	board.Draw([]string{"six"})
	shows("note                \nsix                 \n")
}
