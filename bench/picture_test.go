package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type svg struct {
	Width int `xml:"width,attr"`
	Bars  []struct {
		X     int `xml:"x,attr"`
		Width int `xml:"width,attr"`
	} `xml:"rect"`
}

func TestPictureHasABarPerRowAndItsRatio(t *testing.T) {
	r := newResults()
	r.add(drainLabel(50), names["ours"], "tasks/s", 90_000)
	r.add(drainLabel(50), names["asynq"], "tasks/s", 15_000)
	r.add(drainLabel(50), riverTuned, "tasks/s", 20_000)
	r.add(drainLabel(50), names["river"], "tasks/s", 500)
	r.add(processLabel, names["ours"], "µs", 8)
	r.add(processLabel, names["asynq"], "µs", 44)
	path := filepath.Join(t.TempDir(), "picture.svg")
	if err := draw(path, r); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s svg
	if err := xml.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Bars) != 6 {
		t.Errorf("%d bars, want one per row, 6", len(s.Bars))
	}
	for _, want := range []string{"River, tuned", "6.0 ×", "4.5 ×", "180 ×", "5.5 ×"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the picture does not contain %q", want)
		}
	}
	for _, bar := range s.Bars {
		if bar.X < 0 || bar.X+bar.Width+valueWidth > s.Width {
			t.Errorf("a bar at %d with %d px leaves no space for its value in %d px", bar.X, bar.Width, s.Width)
		}
	}
}

func TestPictureWithoutFiguresIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "picture.svg")
	if err := draw(path, newResults()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a picture without bars was written")
	}
}
