package demo

import (
	"fmt"
	"strings"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// doneWidth is how many characters the bar of the ended tasks has.
const doneWidth = 40

// board returns what a terminal shows while the demo runs: the tasks that each replica
// holds, how many run at once under which limit, and how many have ended.
func (w *watch) board(t *team, p terminal.Palette) (lines []string) {
	held := map[string]int{}
	for _, replica := range w.running {
		held[replica]++
	}
	for _, m := range t.members {
		lines = append(lines, fmt.Sprintf("%-20s", "replica "+m.id)+w.slots(t, m.id, held[m.id], p))
	}
	n := len(w.running)
	filled := doneWidth * w.ended / max(w.tasks, 1)
	return append(lines,
		fmt.Sprintf("%-20s%s  %d at once, limit %d", "all", p.Paint(terminal.Cyan, strings.Repeat("●", n))+strings.Repeat("·", max(Replicas*Workers-n, 0)), n, Limit),
		fmt.Sprintf("%-20s%s  %d of %d", "ended", p.Paint(terminal.Green, strings.Repeat("━", filled))+strings.Repeat("─", doneWidth-filled), w.ended, w.tasks))
}

// slots shows the slots of a replica.
func (w *watch) slots(t *team, replica string, held int, p terminal.Palette) string {
	free := strings.Repeat("·", max(Workers-held, 0))
	if replica != t.killed {
		return p.Paint(terminal.Green, strings.Repeat("●", held)) + free
	}
	killed := p.Paint(terminal.Red, strings.Repeat("✗", held)+free+"  killed")
	if held > 0 {
		return killed + fmt.Sprintf(", holds %s until its lease ends", terminal.Count(held, "task"))
	}
	return killed + p.Paint(terminal.Yellow, fmt.Sprintf(", %d of its %s finished by others", w.recovered[replica], terminal.Count(len(w.lost[replica]), "task")))
}
