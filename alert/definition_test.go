package alert

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A rule is the same after it was written as texts and as JSON, and read again.
func TestDefinitionsHaveAllOfARule(t *testing.T) {
	rules := append(DefaultRules(),
		Rule{Name: "all", When: FailedShare, Threshold: 0.07, Window: 90 * time.Second, Min: 3, For: 25 * time.Hour / 2, Keep: time.Second, Repeat: Never,
			Queues: []string{"a", "b.*"}, Kinds: []string{"k"}, Groups: []string{"g"}, By: []string{"queue", "group"}, Severity: Critical, To: []string{"ops", "x"}, NoRecovery: true},
		Rule{Name: "any", When: Failed, Threshold: 0.5}, Rule{Name: "few", When: Replicas, Threshold: 3},
		Rule{Name: "wait", When: OldestWait, Threshold: 5400.5, Repeat: 36 * time.Hour})
	for _, r := range rules {
		for _, want := range []Rule{r, r.WithDefaults()} {
			d, err := ParseDefinition(want.Definition().Values())
			if err != nil {
				t.Errorf("%s: %v", r.Name, err)
			}
			var again Definition
			if err := json.Unmarshal([]byte(encode(d)), &again); err != nil {
				t.Error(err)
			}
			got, err := again.Rule(r.Name)
			// An empty list and none are the same.
			if a, b := fmt.Sprint(want), fmt.Sprint(got); err != nil || a != b {
				t.Errorf("%s: %v\n%s\n%s", d, err, a, b)
			}
		}
	}
}

func TestPercentagesOfDefinitionsAreShort(t *testing.T) {
	if d := (Rule{When: FailedShare, Threshold: 0.07}).Definition(); d.Over != "7%" {
		t.Error(d)
	}
}

func TestAllMistakesOfADefinitionAreReported(t *testing.T) {
	d, err := ParseDefinition(map[string]string{"when": "oldest_wiat", "window": "1", "min": "few", "for": "0s", "keep": "2d", "repeat": "1s", "queues": "a,b/, {c}",
		"severity": "critcal", "to": "ops {x}", "recovery": "no"})
	_, wrong := d.Rule("bad name")
	got := fmt.Sprint(err, "\n", wrong)
	for _, want := range []string{
		`name `, `when is not a condition: "oldest_wiat"; did you mean oldest_wait?`, `window needs a unit, as in 1s or 1m`, `min must be a whole number, not "few"`,
		`for must be more than 0, not 0s`, `keep must be from 0 to 24h, not 2d`, `repeat must be at least 1m, or none`,
		`severity must be info, warning or critical, not "critcal"`, `to has "{x}"`, `recovery must be true or false, not "no"`,
	} {
		if !strings.Contains("\n"+got, "\n"+want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestLimitsOfDefinitionsHaveTheUnitOfTheCondition(t *testing.T) {
	for want, d := range map[string]Definition{
		`over must be a percentage such as 90%, not "0.5"`:                 {When: "failed_share", Over: "0.5"},
		`over must be from 0.1% to 99.9%, not 100%`:                        {When: "failed_share", Over: "100%"},
		`over must be a whole number, not "1e3"`:                           {When: "waiting", Over: "1e3"},
		`over must be from 0 to any number, not -1`:                        {When: "waiting", Over: "-1"},
		`over needs a unit, as in 15s or 15m`:                              {When: "oldest_wait", Over: "15"},
		`over is not for watchdog, which has no value`:                     {When: "watchdog", Over: "1"},
		`under is only for when: replicas; write over`:                     {When: "waiting", Under: "1"},
		`over is not for when: replicas`:                                   {When: "replicas", Over: "1"},
		`under must be a whole number, not "one"`:                          {When: "replicas", Under: "one"},
		`under must be from 0 to any number, not -1`:                       {When: "replicas", Under: "-1"},
		`under cannot be given beside over`:                                {When: "replicas", Under: "1", Over: "1"},
		`when is missing, such as when: oldest_wait; there`:                {Over: "1"},
		`queues is not for replicas: it has no queue`:                      {When: "replicas", Queues: []string{"q"}},
		`over must be from 0 to 9007199254740992, not 9223372036854775807`: {When: "waiting", Over: "9223372036854775807"},
		`under must be from 0 to 9007199254740992, not -1`:                 {When: "replicas", Under: "-1000000000000000000000"},
		`queues has ""`: {When: "waiting", Queues: []string{""}},
	} {
		if _, err := d.Rule("r"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v, want %s", d, err, want)
		}
	}
	r, err := Definition{When: "failed", Over: "0", By: []string{"kind"}}.Rule("r")
	if diff := cmp.Diff(Rule{Name: "r", When: Failed, Threshold: 0.5, By: []string{"kind"}}, r); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
