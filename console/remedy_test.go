package console

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

var (
	aForm   = regexp.MustCompile(`(?s)<form method="post".*?</form>`)
	aTarget = regexp.MustCompile(`(?:action|formaction)="([^"]*)"`)
	aField  = regexp.MustCompile(`<input[^>]* name="(scope|queue|name|replica|limit|rate)" value="([^"]*)"`)
)

// remedies returns the actions that a page offers, with their fields.
func (b *browser) remedies(page string) (all []string) {
	_, page, _ = strings.Cut(page, "<main")
	for _, form := range aForm.FindAllString(page, -1) {
		action := strings.TrimPrefix(aTarget.FindStringSubmatch(form)[1], "/admin"+b.path(""))
		for _, m := range aField.FindAllStringSubmatch(form, -1) {
			action += " " + m[1] + "=" + m[2]
		}
		if strings.Contains(form, "data-ask=") {
			action += " ask"
		}
		all = append(all, action)
	}
	return all
}

// Each trouble of the overview whose remedy is one action has its button, for the roles that may do it.
func TestOverviewOffersTheRemedies(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	p, err := b.c.sites[b.name].picture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := *p
	rate := pool.Rate{N: 2, Per: time.Hour, Burst: 2}
	own.Stats.Paused, own.Stats.Hold = true, 7
	own.Queues = []pool.QueueLoad{{QueueInfo: pool.QueueInfo{Name: "paused", Waiting: 3, Paused: true}}, {QueueInfo: pool.QueueInfo{Name: "calls", Waiting: 3, Rate: rate, RateUntil: p.At.Add(time.Minute)}}}
	own.Groups = []pool.GroupInfo{{Name: "full", Held: 4, Running: 2, Limit: 2}, {Name: "slowly", Held: 1, Rate: rate, RateUntil: p.At.Add(time.Minute)}}
	own.Replicas = []pool.ReplicaInfo{{ID: "r", Stuck: 1, Queues: map[string]int{"calls": 1, "paused": 1}, Lease: time.Minute, Outages: []task.Outage{{Of: "the database", Since: p.At.Add(-time.Hour), Error: "gone"}}}}
	late := &pool.TriggerInfo{Due: p.At.Add(-time.Hour)}
	late.Name = "nightly"
	own.Triggers = []*pool.TriggerInfo{late}
	own.Slow = []*task.Task{{Spec: task.Spec{ID: "slow", Kind: "k"}, State: task.Running, SlowAt: p.At}}
	b.c.sites[b.name].show(&own)
	operator := []string{"resume scope=pool", "resume queue=paused", "replicas/drain replica=r ask", "triggers/run name=nightly ask", "tasks/stop ask"}
	admin := []string{"rate scope=queue name=calls rate=2/h burst 2", "limit scope=group name=full limit=2", "rate scope=group name=slowly rate=2/h burst 2"}
	for role, want := range map[access.Role][]string{access.Viewer: nil, access.Operator: operator, access.Admin: append(slices.Clone(operator), admin...)} {
		b.as(role)
		page := b.page("")
		got := b.remedies(page)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q\n%s", role, got, want, page)
		}
		if !strings.Contains(page, `hold%3Atrue"><b>7</b>`) {
			t.Errorf("the number of tasks on hold is missing:\n%s", page)
		}
		if !strings.Contains(page, "Replica r: the database has not answered for 1 h: gone.") {
			t.Errorf("%s", page)
		}
	}
}

// The page of the doctor offers to drain a replica with stuck handlers, unless it drains already.
func TestDrainIsOfferedOnce(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	q := &request{c: b.c, site: b.c.sites[b.name]}
	for draining, want := range map[int]bool{0: true, 1: false} {
		f := findings.New("replica_stuck", findings.Named("replica", "r"), findings.Count("stuck", 1), findings.Count("draining", draining))
		if r := q.Remedied(f); (r != nil) != want {
			t.Errorf("draining %d: %+v", draining, r)
		}
	}
}
