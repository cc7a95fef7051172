package alert

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Title returns one line that says what the message is about.
func (m *Message) Title(lang Lang) string {
	w := words[lang]
	var parts []string
	for _, state := range []NoticeState{StateFiring, StateEnded, StateUnsilenced, StateTest} {
		if n := m.Count(state); n > 0 {
			parts = append(parts, w.count(state, n))
		}
	}
	return fmt.Sprintf(w.title, Plain(m.Pool), strings.Join(parts, w.comma))
}

// Lines returns the notices of the message as lines, the most urgent one first. The lines with a line
// break after each have at most size bytes. If some notices do not fit, the last line has their
// numbers, and each rule has about as many lines as the others. format returns the text of a line,
// such as with marks of Markdown.
func (m *Message) Lines(lang Lang, size int, format func(Line) string) []string {
	w := words[lang]
	type entry struct {
		of          *Notice
		text        string
		rank, place int // among the notices of its rule, and among all
	}
	var all []entry
	for _, state := range []NoticeState{StateUnsilenced, StateFiring, StateEnded, StateTest} {
		for _, severity := range []Severity{Critical, Warning, Info, ""} {
			first, ranks := len(all), map[string]int{}
			for i := range m.Notices {
				if n := &m.Notices[i]; n.State == state && n.Severity == severity {
					text := format(Line{State: state, Severity: severity, Rule: Plain(n.Rule), Text: Plain(n.Text(lang))})
					all = append(all, entry{n, text, ranks[n.Rule], len(all)})
					ranks[n.Rule]++
				}
			}
			slices.SortStableFunc(all[first:], func(a, b entry) int { return a.rank - b.rank })
		}
	}
	const reserve = 400 // for the counts
	used, fit := 0, 0
	left := slices.Clone(m.More)
	for ; fit < len(all); fit++ {
		n := len(all[fit].text) + 1
		last := fit == len(all)-1 && len(left) == 0
		if used+n > size-reserve && (!last || used+n > size) {
			break
		}
		used += n
	}
	for _, rest := range all[fit:] {
		left = append(left, More{rest.of.Rule, rest.of.State, 1})
	}
	all = all[:fit]
	slices.SortFunc(all, func(a, b entry) int { return a.place - b.place })
	var lines []string
	for _, e := range all {
		lines = append(lines, e.text)
	}
	if len(left) == 0 {
		return lines
	}
	return append(lines, cut(format(Line{Text: w.more(left)}), size-used-1))
}

// Line is a line of a message.
type Line struct {
	State    NoticeState
	Severity Severity
	Rule     string
	Text     string // with the rule, in the language of the receiver
}

// more describes the notices that a message leaves out, by state and rule.
func (w *wording) more(left []More) string {
	type key struct {
		state NoticeState
		rule  string
	}
	sums, total := map[key]int{}, 0
	for _, l := range left {
		sums[key{l.State, l.Rule}] += l.Count
		total += l.Count
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b key) int {
		if d := sums[b] - sums[a]; d != 0 {
			return d
		}
		return strings.Compare(string(a.state)+a.rule, string(b.state)+b.rule)
	})
	const named = 8
	var parts []string
	for _, k := range keys[:min(len(keys), named)] {
		part := w.count(k.state, sums[k])
		if k.rule != "" {
			part = Plain(k.rule) + " " + part
		}
		parts = append(parts, part)
	}
	if len(keys) > named {
		parts = append(parts, "…")
	}
	return fmt.Sprintf(w.andMore, total, strings.Join(parts, w.comma))
}

// Text describes a notice in one line.
func (n *Notice) Text(lang Lang) string {
	w := words[lang]
	switch n.State {
	case StateTest:
		if n.By != "" {
			return fmt.Sprintf(w.testBy, n.By)
		}
		return w.test
	case StateUnsilenced:
		return w.unsilenced(n)
	}
	text := n.Rule
	if n.Severity != "" {
		text += fmt.Sprintf(w.aside, w.severities[n.Severity])
	}
	if at := labelText(n.Labels, w); at != "" {
		text += w.colon + at
	}
	condition := w.condition(n, w.units.text)
	if n.State == StateEnded {
		lasted := w.units.text(n.Ended.Sub(n.Since))
		end := w.lasted
		switch {
		case n.Removed:
			end = w.removed
		case n.Changed:
			end = w.changed
		}
		return text + w.colon + fmt.Sprintf(end, lasted) + w.comma + fmt.Sprintf(w.before, condition)
	}
	text += w.colon + condition
	if !n.Since.IsZero() {
		text += w.comma + fmt.Sprintf(w.since, n.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
		if n.Again {
			text += w.comma + w.again
		}
	}
	if n.Detail != "" && n.State == StateFiring {
		text += w.comma + fmt.Sprintf(w.detail, n.Detail)
	}
	return text
}

func labelText(labels map[string]string, w *wording) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		word := w.labels[name]
		if word == "" {
			word = name
		}
		parts = append(parts, word+" "+labels[name])
	}
	return strings.Join(parts, w.comma)
}

// Describe returns the value and the threshold of the alert as a phrase.
func (a *Alert) Describe(lang Lang) string { return a.DescribeWith(lang, words[lang].units.text) }

// DescribeWith is Describe with another format of durations.
func (a *Alert) DescribeWith(lang Lang, duration func(time.Duration) string) string {
	n := a.notice(StateFiring, false)
	return words[lang].condition(&n, duration)
}

// LabelText returns the labels of the alert, separated by commas.
func (a *Alert) LabelText(lang Lang) string { return labelText(a.Labels, words[lang]) }

// FormatValue returns a value of a condition with its unit; "" if the condition has no value.
func FormatValue(c Condition, v float64) string { return formatValue(c, v, Duration) }

func formatValue(c Condition, v float64, duration func(time.Duration) string) string {
	switch conditions[c].unit {
	case none:
		return ""
	case share:
		return strings.TrimSuffix(strconv.FormatFloat(v*100, 'f', 1, 64), ".0") + " %"
	case seconds:
		return duration(time.Duration(v * float64(time.Second)))
	}
	return strconv.FormatFloat(math.Floor(v), 'f', -1, 64)
}

// Duration shows a duration with at most two units, such as 3 min 5 s.
func Duration(d time.Duration) string { return words[English].units.text(d) }

// units are the words for days, hours, minutes and seconds.
type units struct{ day, hour, minute, second string }

func (u units) text(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(n, of time.Duration, a, b string) string {
		if rest := d % n / of; rest > 0 {
			return fmt.Sprintf("%d %s %d %s", d/n, a, rest, b)
		}
		return fmt.Sprintf("%d %s", d/n, a)
	}
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%d %s", d/time.Second, u.second)
	case d < time.Hour:
		return two(time.Minute, time.Second, u.minute, u.second)
	case d < day:
		return two(time.Hour, time.Minute, u.hour, u.minute)
	}
	return two(day, time.Hour, u.day, u.hour)
}

// Plain returns a text in one line without marks of Markdown or HTML and without characters that
// change the direction of the text.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		// Similar characters that are no marks.
		if i := strings.IndexRune("<>[]*`#|\\", r); i >= 0 {
			return []rune("＜＞［］＊'＃｜＼")[i]
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// cut returns at most n bytes of a text, cut at a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n-len("…"), 0)
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
