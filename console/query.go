package console

import (
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// query is what the box of the page of tasks has: words that are all required. Words with the
// same name are alternatives.
type query struct {
	State  task.State // "" for the default of the page, anyState for all states
	IDs    []string
	Kinds  []string
	Queues []string
	Groups []string
	Labels []string // a task needs all of them
	Error  []string // parts of the error or the code, all of them, without regard to case
	Causes []string // causes of a failure
	Data   []string // parts of the payload or the result, all of them, without regard to case
	Head   []string // parts of a header NAME=VALUE, all of them, without regard to case
	Parent string
	Unique string
	Hold   bool
	// Reverse lists the tasks in the reverse order.
	Reverse bool
	Older   time.Duration // enqueued at least this long ago; 0 for any
	Newer   time.Duration // enqueued less than this long ago; 0 for any
}

// queryNames are the names of the words.
var queryNames = []string{"state", "id", "kind", "queue", "group", "label", "error", "cause", "payload", "header", "parent", "unique", "hold", "age", "order"}

// parseQuery reads a query: words NAME:VALUE with quotes around a VALUE with spaces. A word
// without a name is an id.
func parseQuery(text string) (q query, err error) {
	for _, word := range splitWords(text) {
		name, value, named := strings.Cut(word, ":")
		if !named || value == "" && !slices.Contains(queryNames, name) {
			name, value = "id", word
		}
		if err := q.add(name, value); err != nil {
			return query{}, err
		}
	}
	return q, nil
}

func (q *query) add(name, value string) error {
	switch name {
	case "state":
		if !slices.Contains(task.States(), task.State(value)) && task.State(value) != anyState {
			return wrongWord(name, "wrong.state", value, texted(task.States()))
		}
		q.State = task.State(value)
	case "id":
		q.IDs = append(q.IDs, value)
	case "kind":
		q.Kinds = append(q.Kinds, value)
	case "queue":
		q.Queues = append(q.Queues, value)
	case "group":
		q.Groups = append(q.Groups, value)
	case "label":
		q.Labels = append(q.Labels, value)
	case "error":
		q.Error = append(q.Error, strings.ToLower(value))
	case "cause":
		q.Causes = append(q.Causes, value)
	case "header":
		q.Head = append(q.Head, strings.ToLower(value))
	case "payload":
		q.Data = append(q.Data, strings.ToLower(value))
	case "parent":
		q.Parent = value
	case "unique":
		q.Unique = value
	case "hold":
		if value != "true" {
			return wrong(name, "wrong.hold")
		}
		q.Hold = true
	case "order":
		if value != "reverse" {
			return wrong(name, "wrong.order")
		}
		q.Reverse = true
	case "age":
		sign := value[:min(len(value), 1)]
		d, err := timespan.Parse(strings.TrimPrefix(strings.TrimPrefix(value, "<"), ">"))
		if err != nil || sign != "<" && sign != ">" || d <= 0 {
			return wrong(name, "wrong.age")
		}
		if sign == ">" {
			q.Older = d
		} else {
			q.Newer = d
		}
	default:
		return wrongWord(name, "wrong.word", name, queryNames)
	}
	return nil
}

// wrongWord returns the error for a field whose value is none of the allowed words. It suggests the nearest one.
func wrongWord(field, key, value string, of []string) error {
	if near := spelling.Nearest(value, of); near != "" {
		return wrong(field, key+"_near", strings.Join(of, ", "), near)
	}
	return wrong(field, key, strings.Join(of, ", "))
}

func suggestion(word string, of []string) string {
	if near := spelling.Nearest(word, of); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

func texted[T ~string](values []T) (all []string) {
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}

func joined[T ~string](values []T) string { return strings.Join(texted(values), ", ") }

// quoted returns a value as a word of a query has it.
func quoted(value string) string {
	if strings.Contains(value, " ") {
		return `"` + value + `"`
	}
	return value
}

// splitWords splits at spaces outside of double quotes, which it removes.
func splitWords(text string) (words []string) {
	var word strings.Builder
	quoted, any := false, false
	end := func() {
		if any {
			words = append(words, word.String())
		}
		word.Reset()
		any = false
	}
	for _, r := range text {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			end()
		default:
			word.WriteRune(r)
			any = true
		}
	}
	end()
	return words
}

// joinWords is the inverse of splitWords.
func joinWords(words []string) string {
	var text []string
	for _, w := range words {
		if name, value, _ := strings.Cut(w, ":"); strings.Contains(w, " ") {
			w = name + ":\"" + value + "\""
		}
		text = append(text, w)
	}
	return strings.Join(text, " ")
}

// whole reports whether tasks are compared with their payloads or headers, which costs much.
func (q *query) whole() bool { return len(q.Data)+len(q.Head) > 0 }

// pageQuery returns the part of the query that the store compares, and whether the tasks are
// read whole.
func (q *query) pageQuery(now time.Time) task.PageQuery {
	p := task.PageQuery{State: q.State, Kinds: q.Kinds, Queues: q.Queues, Groups: q.Groups, Labels: q.Labels, Hold: q.Hold, Reverse: q.Reverse, Whole: q.whole()}
	p.Match = func(t *task.Task) bool { return q.matches(t, now) }
	return p
}

// matches compares what the store does not.
func (q *query) matches(t *task.Task, now time.Time) bool {
	in := func(set []string, v string) bool { return len(set) == 0 || slices.Contains(set, v) }
	contains := func(parts []string, in ...string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool {
			return !slices.ContainsFunc(in, func(s string) bool { return strings.Contains(strings.ToLower(s), part) })
		})
	}
	age := now.Sub(t.CreatedAt)
	headers := make([]string, 0, len(t.Headers))
	for name, value := range t.Headers {
		headers = append(headers, name+"="+value)
	}
	return in(q.Kinds, t.Kind) && in(q.Queues, t.Queue) && in(q.Groups, t.Group) && (q.State == "" || q.State == anyState || t.State == q.State) &&
		!slices.ContainsFunc(q.Labels, func(l string) bool { return !slices.Contains(t.Labels, l) }) &&
		contains(q.Error, t.Error, string(t.Code)) && contains(q.Data, string(t.Payload), string(t.Result)) && contains(q.Head, headers...) &&
		(len(q.Causes) == 0 || t.State == task.Failed && slices.Contains(q.Causes, failures.Cause(t))) && (q.Unique == "" || slices.Contains(task.Filter{Unique: []string{q.Unique}}.StoredUnique(), t.Unique)) &&
		(q.Parent == "" || t.Shard.Parent == q.Parent) && (!q.Hold || t.Hold) &&
		(q.Older == 0 || age >= q.Older) && (q.Newer == 0 || age < q.Newer)
}
