package main

import (
	"encoding/xml"
	"strings"
	"testing"
)

func TestPictureShowsTheScreenOfTheEnd(t *testing.T) {
	screen, err := run(40, 10, []string{"printf", `over\rleft <1>  \033[32mgreen\033[0m\n\n  last\n`})
	if err != nil {
		t.Fatal(err)
	}
	svg := draw("a & b", 40, cells(screen))
	svg = strings.ReplaceAll(svg, "\u00a0", " ")
	for _, want := range []string{">$ a &amp; b<", ">left &lt;1&gt;<", `x="100.0"`, palette[2] + `">green<`, ">last<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
	if strings.Contains(svg, "over") {
		t.Error("what was written over is there")
	}
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestPictureOfACommandThatFailsIsNone(t *testing.T) {
	if _, err := run(40, 10, []string{"sh", "-c", "echo why; exit 3"}); err == nil || !strings.Contains(err.Error(), "why") {
		t.Error(err)
	}
}
