package main

import (
	"testing"

	tea "charm.land/bubbletea/v2"
)

// A count that takes long must not put its question in the place of another.
func TestTopDropsTheAnswerToWhomeverHasGoneOn(t *testing.T) {
	m := &topModel{width: 80, height: 24}
	m.Update(askMsg{action: action{question: "stop 5 live tasks?"}})
	if m.asked == nil {
		t.Fatal("an answer in time is no question")
	}
	m.asked = nil
	late := askMsg{action: action{question: "stop 5000 live tasks?"}, presses: m.presses}
	m.Update(tea.KeyPressMsg{Code: tea.KeyTab})
	m.Update(late)
	if m.asked != nil {
		t.Errorf("it asks %q", m.asked.question)
	}
}

func TestTopShowsTheChosenTableInAnyTerminal(t *testing.T) {
	for height := 5; height < 40; height++ {
		for s := range sections {
			m := &topModel{width: 80, height: height, section: s}
			lines := height - aboveSections - belowSections
			used, shown := -1, 0
			for _, room := range m.share(lines) {
				if room >= 0 {
					used += 2 + room
					shown++
				}
			}
			if shown > 0 && used > lines {
				t.Errorf("%d lines: %d are used", lines, used)
			}
			if lines >= 2 && m.share(lines)[s] < 1 || lines >= 8 && shown != int(sections) {
				t.Errorf("%d lines, table %d: %v", lines, s, m.share(lines))
			}
		}
	}
}
