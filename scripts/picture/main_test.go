package main

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
)

func TestPictureShowsTheScreenOfTheEnd(t *testing.T) {
	frames, err := record(40, 10, []string{"printf", `over\rleft <1>  \033[32mgreen\033[0m\n\n  last\n`})
	if err != nil {
		t.Fatal(err)
	}
	svg := draw("a & b", 40, sample(frames, 1))
	svg = strings.ReplaceAll(svg, "\u00a0", " ")
	for _, want := range []string{">$ a &amp; b<", ">left &lt;1&gt;<", `x="100.0"`, palette[2] + `">green<`, ">last<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
	if strings.Contains(svg, "over") {
		t.Error("the deleted text is still on the screen")
	}
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestPictureShowsTheFramesInTheirTimes(t *testing.T) {
	var frames []frame
	for i, text := range []string{"one", "two", "three", "end"} {
		line := make([]vt10x.Glyph, len(text))
		for x, c := range text {
			line[x].Char = c
		}
		frames = append(frames, frame{time.Duration(i) * 2 * time.Second, [][]vt10x.Glyph{line}})
	}
	svg := draw("t", 10, sample(frames, 3))
	for _, want := range []string{">one<", ">end<", "#f2{visibility:visible}", "animation:k0 12.0s", "k1{0%{visibility:hidden}16.67%{visibility:visible}50.00%{visibility:hidden}}"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
	if strings.Contains(svg, ">three<") {
		t.Error("there are more than three frames")
	}
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestPictureOfACommandThatFailsIsNone(t *testing.T) {
	if _, err := record(40, 10, []string{"sh", "-c", "echo why; exit 3"}); err == nil || !strings.Contains(err.Error(), "why") {
		t.Error(err)
	}
}
