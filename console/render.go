package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/task"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates of the pages by name. Each has the layout and its own content.
type pages map[string]*template.Template

var funcs = template.FuncMap{
	"time":    timeTag,
	"json":    indented,
	"text":    readable,
	"percent": func(n, of int) int { return min(n*100/max(of, 1), 100) },
	"join":    strings.Join,
	"states":  task.States,
	"list":    func(v ...any) []any { return v },
	"string":  func(v any) string { return fmt.Sprint(v) },
	"brief":   brief,
	"alerts":  func(v view, all []alert.Alert) alertRows { return alertRows{v, all} },
	"pair":    func(v view, p inputs) formPart { return formPart{v, p} },
	"settings": func(v view, scope any, name string, all []setting) settingsPart {
		return settingsPart{v, fmt.Sprint(scope), name, all}
	},
	"holding":  func(v view, tasks []*task.Task, more int) holdingPart { return holdingPart{v, tasks, more} },
	"charts":   func(v view, c *chart) chartPart { return chartPart{v, c} },
	"figure":   figure,
	"log":      func(v view, id string, attempt int64, log string) logPart { return logOf(v, id, attempt, log) },
	"calendar": func(v view, m *month) monthPart { return monthPart{v, m} },
	"listing":  func(v view, tasks []*task.Task, choose bool) listing { return listing{v, tasks, choose, nil} },
	"list_all": func(v view, tasks, archived []*task.Task, choose bool) listing {
		return listing{v, tasks, choose, archived}
	},
}

// parsedPages returns the pages. Only the first call parses them, because all consoles of a process share them.
var parsedPages = sync.OnceValues(parsePages)

func parsePages() (pages, error) {
	all := pages{}
	base, err := template.New("layout.html").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := template.Must(base.Clone()).ParseFS(templateFiles, file)
		if err != nil {
			return nil, err
		}
		all[name] = t
	}
	return all, nil
}

// listing is a table of tasks. Choose adds a box to each row.
type listing struct {
	V      view
	Tasks  []*task.Task
	Choose bool
	// Archived are rows of the archive, after the others.
	Archived []*task.Task
}

// formPart is a part of a form, and monthPart a calendar, on a page.
type formPart struct {
	V    view
	Part inputs
}

type monthPart struct {
	V     view
	Month *month
}

// settingsPart is a table of settings, and holdingPart one of the tasks that hold places.
type settingsPart struct {
	V           view
	Scope, Name string
	Settings    []setting
}

type holdingPart struct {
	V        view
	Holding  []*task.Task
	MoreHold int
}

// logPart is a log, which is followed while the attempt runs.
type logPart struct {
	V        view
	URL, Log string
	Attempt  int64 // 0 for the running one
	Follow   bool
}

func logOf(v view, id string, attempt int64, log string) logPart {
	if attempt == 0 {
		return logPart{v, v.Path("log", "id", id), log, 0, true}
	}
	return logPart{v, v.Path("log", "id", id, "attempt", fmt.Sprint(attempt)), log, attempt, false}
}

// chartPart is a chart on a page.
type chartPart struct {
	V     view
	Chart *chart
}

// figure shows a number with at most two digits after the point.
func figure(v float32) string {
	return strconv.FormatFloat(math.Round(float64(v)*100)/100, 'f', -1, 64)
}

// brief returns the first line of a text, cut after 200 runes.
func brief(s string) string {
	line, _, more := strings.Cut(s, "\n")
	if runes := []rune(line); len(runes) > 200 {
		line, more = string(runes[:200]), true
	}
	if more {
		line += " …"
	}
	return line
}

// render writes a page. A request of a page that is open gets only the part that changes.
func (q *request) render(name string, at time.Time, data any) error {
	return q.renderStatus(http.StatusOK, name, at, data)
}

func (q *request) renderStatus(status int, name string, at time.Time, data any) error {
	part := "layout.html"
	switch q.Header.Get("HX-Target") {
	case "main":
		part = "main"
	case "preview":
		if name == "triggeredit" {
			part = "preview"
		}
	}
	var out bytes.Buffer
	if err := q.c.pages[name].ExecuteTemplate(&out, part, view{request: q, Name: name, At: at, Data: data}); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(status)
	// A browser that has closed the connection gets no page.
	_, _ = q.w.Write(out.Bytes())
	return nil
}

// errorPage is shown in place of a page that failed.
type errorPage struct {
	Status int
	Text   string
	Find   string // what was taken for the id of a task and is none; "" for another error
}

// Word returns Find as the value of a word of a query.
func (p errorPage) Word() string { return quoted(p.Find) }

// timeTag shows a time. A script of the page writes it in the zone that the user has chosen, and
// keeps the age in its title current.
func timeTag(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	utc := t.UTC()
	return template.HTML(`<time datetime="` + utc.Format("2006-01-02T15:04:05.000Z") + `">` + utc.Format("2006-01-02 15:04:05") + ` UTC</time>`)
}

// Duration shows a duration with at most two units: 350 ms, 4.2 s, 3 min 5 s, 2 h 10 min, 3 d 4 h.
func (q *request) Duration(d time.Duration) string {
	two := func(n, of time.Duration, a, b string) string {
		text := fmt.Sprintf("%d %s", d/n, q.T(a))
		if rest := d % n / of; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, q.T(b))
		}
		return text
	}
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "−" + q.Duration(-d)
	case d < time.Second:
		return fmt.Sprintf("%d %s", d.Milliseconds(), q.T("unit.ms"))
	case d < time.Minute:
		return strconv.FormatFloat(float64(d.Milliseconds()/100)/10, 'f', -1, 64) + " " + q.T("unit.s")
	case d < time.Hour:
		return two(time.Minute, time.Second, "unit.min", "unit.s")
	case d < day:
		return two(time.Hour, time.Minute, "unit.h", "unit.min")
	}
	return two(day, time.Hour, "unit.d", "unit.h")
}

// shown bounds the bytes of a payload, a result or a log on a page.
const shown = 64 << 10

// indented shows bytes: JSON with indentation, other text as it is, and a note for binary data.
func indented(b []byte) string {
	var out bytes.Buffer
	if len(b) <= shown && json.Indent(&out, b, "", "  ") == nil {
		return readable(out.String())
	}
	return readable(string(b))
}

// readable returns at most shown bytes of a text, cut at a rune. Control characters are
// replaced, because some of them change the order of the text around them.
func readable(s string) string {
	if !utf8.ValidString(s) {
		return fmt.Sprintf("%d bytes: % x …", len(s), s[:min(len(s), 32)])
	}
	cut := ""
	if len(s) > shown {
		n := shown
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s, cut = s[:n], fmt.Sprintf("… (%d of %d bytes)", n, len(s))
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return '\uFFFD'
		}
		return r
	}, s) + cut
}
