package metrics_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
)

var descPattern = regexp.MustCompile(`fqName: "([^"]+)", help: "((?:[^"\\]|\\.)+)", unit: "", constLabels: \{pool="[^"]*"\}, variableLabels: \{([^}]*)\}`)

// exported returns the labels of each metric that a collector can export, and its help.
func exported(t *testing.T) (labels map[string][]string, help map[string]string) {
	t.Helper()
	c := metrics.NewCollector(newSite(t).pool(pool.Config{Queues: map[string]pool.Queue{"q": {}}}), metrics.Options{})
	ch := make(chan *prometheus.Desc, 1000)
	c.Describe(ch)
	close(ch)
	labels, help = map[string][]string{}, map[string]string{}
	for d := range ch {
		m := descPattern.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		labels[m[1]], help[m[1]] = strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' }), m[2]
	}
	return labels, help
}

var (
	namePattern  = regexp.MustCompile(`\bltsworker_[a-z_]+`)
	matchPattern = regexp.MustCompile(`\b(ltsworker_[a-z_]+)\{([^}]*)\}`)
	labelPattern = regexp.MustCompile(`([a-z_]+) *(?:=~|!~|!=|=) *"`)
	byPattern    = regexp.MustCompile(`\b(?:by|on) \(([a-z_, ]*)\)`)
)

// checkQuery reports names and labels of a query that are not exported.
func checkQuery(t *testing.T, query string, labels map[string][]string) {
	t.Helper()
	known := func(name string) []string {
		by, ok := labels[name]
		if !ok {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				if family, has := strings.CutSuffix(name, suffix); has && !ok {
					by, ok = labels[family]
				}
			}
		}
		if !ok {
			t.Errorf("no metric %s: %s", name, query)
		}
		return append([]string{"pool", "instance", "job", "le"}, by...)
	}
	names := namePattern.FindAllString(query, -1)
	if len(names) == 0 {
		t.Errorf("no metric in %s", query)
	}
	var all []string
	for _, name := range names {
		all = append(all, known(name)...)
	}
	for _, m := range matchPattern.FindAllStringSubmatch(query, -1) {
		for _, l := range labelPattern.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(known(m[1]), l[1]) {
				t.Errorf("%s has no label %s: %s", m[1], l[1], query)
			}
		}
	}
	for _, m := range byPattern.FindAllStringSubmatch(query, -1) {
		for _, label := range strings.Fields(strings.ReplaceAll(m[1], ",", " ")) {
			if !slices.Contains(all, label) {
				t.Errorf("no metric has the label %s: %s", label, query)
			}
		}
	}
}

// The queries of the dashboard are valid, ask for what is exported, and have a legend of labels
// that they keep.
func TestDashboardShowsWhatIsExported(t *testing.T) {
	t.Parallel()
	labels, _ := exported(t)
	text, err := os.ReadFile("../../deploy/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Templating struct{ List []struct{ Definition string } }
		Panels     []struct {
			Title   string
			Type    string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	n := 0
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			n++
			expr := strings.NewReplacer("$__rate_interval", "5m", "$pool", ".*", "$queue", ".*").Replace(q.Expr)
			checkQuery(t, expr, labels)
			rules.WriteString("  - record: r:r\n    expr: >-\n      " + expr + "\n    labels: {n: \"" + strings.Repeat("i", n) + "\"}\n")
			for _, l := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
				by := byPattern.FindStringSubmatch(expr)
				if by == nil || !slices.Contains(strings.Fields(strings.ReplaceAll(by[1], ",", " ")), l[1]) {
					t.Errorf("%s: the legend has the label %s, which the query drops: %s", p.Title, l[1], expr)
				}
			}
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Definition != "" {
			checkQuery(t, v.Definition, labels)
		}
	}
	if n < 25 {
		t.Errorf("only %d queries", n)
	}
	file := t.TempDir() + "/rules.yaml"
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}

// The rules are valid, alert as their tests say, and ask for what is exported. Each has a test in
// which it alerts.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	labels, _ := exported(t)
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rules, tests := read("../../deploy/alerts.yaml"), read("../../deploy/alerts_test.yaml")
	promtool(t, "", "check", "config", "../../deploy/prometheus.yaml")
	promtool(t, "", "check", "rules", "../../deploy/alerts.yaml")
	promtool(t, "", "test", "rules", "../../deploy/alerts_test.yaml")
	alerts := regexp.MustCompile(`(?s)- alert: (\w+)\n +expr: (.*?)\n +(?:for|labels):`).FindAllStringSubmatch(rules, -1)
	if len(alerts) != strings.Count(rules, "- alert:") || len(alerts) < 10 {
		t.Fatalf("%d alerts", len(alerts))
	}
	for _, a := range alerts {
		checkQuery(t, a[2], labels)
		if !regexp.MustCompile(`alertname: ` + a[1] + `\n +exp_alerts:\n +- exp_labels`).MatchString(tests) {
			t.Errorf("no test lets %s alert", a[1])
		}
	}
	for _, series := range regexp.MustCompile(`series: '([^']+)'`).FindAllStringSubmatch(tests, -1) {
		checkQuery(t, series[1], labels)
	}
}

// The tables of the documentation have every metric, with its labels and its help.
func TestDocumentationListsEveryMetric(t *testing.T) {
	t.Parallel()
	labels, help := exported(t)
	for _, page := range []string{"../../docs/metrics.md", "../../docs/zh/metrics.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string][]string{}
		for _, m := range regexp.MustCompile("(?m)^\\| `(ltsworker_[a-z_]+)` \\| ([a-z, ]*) \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1) {
			rows[m[1]] = m[2:]
		}
		for name, by := range labels {
			row := rows[name]
			if row == nil || row[0] != strings.Join(by, ", ") {
				t.Errorf("%s: %s with the labels %v is missing: %v", page, name, by, row)
			} else if want := strings.TrimSuffix(strings.ReplaceAll(help[name], `\"`, `"`), "."); page == "../../docs/metrics.md" && row[1] != want {
				t.Errorf("%s: %s is %q, and %q in a scrape", page, name, row[1], want)
			}
		}
		for name := range rows {
			if _, ok := labels[name]; !ok {
				t.Errorf("%s: %s is not exported", page, name)
			}
		}
	}
}
