package count

import (
	"os"
	"path/filepath"
	"testing"
)

func TestProfileIsSplitIntoCommandsAndWhatLiesAroundThem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "callgrind.1")
	text := `version: 1
events: Ir
fn=(1) main
1 10
cfn=(2) evalShaCommand
calls=2 0
1 900
cfn=(9) serverCron
calls=1 0
1 70

fn=(2)
1 100
cfn=(3) scriptCall
calls=4 0
1 800

fn=(3)
1 50
cfn=(4) call'2
calls=4 0
1 750

fn=(4)
+3 30
cfn=(5) zaddCommand
calls=4 0
1 720

fn=(5)
* 720

fn=(9)
1 70
totals: 980
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	if p.Total != 910 {
		t.Errorf("the total without serverCron is %d, want 910", p.Total)
	}
	want := []Item{
		{"ZADD", 720, 4},
		{"checks and propagation around the commands", 80, 4},
		{"the rest of Lua", 100, 2},
		{"request and reply on the wire", 10, 2},
	}
	got := p.Parts()
	sum := int64(0)
	for i, part := range got {
		sum += part.Cost
		if i >= len(want) || part != want[i] {
			t.Errorf("part %d is %v", i, part)
		}
	}
	if len(got) != len(want) || sum != p.Total {
		t.Errorf("%d parts of %d in all, want %d of %d", len(got), sum, len(want), p.Total)
	}
	if f := p.Heaviest(1); len(f) != 1 || f[0].Name != "zaddCommand" || f[0].Cost != 720 {
		t.Errorf("the heaviest function is %v", f)
	}
}
