package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

// foundText is what a finding says in another language than English.
type foundText struct{ What, Do string }

// foundTexts returns the texts of findings by language and code. The English ones are in the findings.
var foundTexts = sync.OnceValue(func() map[string]map[string]foundText {
	return map[string]map[string]foundText{"zh": readFoundTexts("zh")}
})

func readFoundTexts(lang string) map[string]foundText {
	all := map[string]foundText{}
	raw, err := langFiles.ReadFile("lang/findings." + lang + ".json")
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		panic(fmt.Sprintf("console: findings in %s: %v", lang, err)) // embedded, and read by a test
	}
	return all
}

// Found returns what a finding says, and Remedy what to do about it, in the language of the user.
func (q *request) Found(f task.Finding) string { return q.found(f).What }

// Remedy returns what to do about a finding in the language of the user, "" for nothing.
func (q *request) Remedy(f task.Finding) string { return q.found(f).Do }

func (q *request) found(f task.Finding) foundText {
	t, ok := foundTexts()[q.lang][f.Code]
	if !ok {
		english, known := findings.Of(f.Code)
		if q.lang != "en" || !known {
			return foundText{f.What, f.Do}
		}
		t = foundText{english.What, english.Do}
	}
	value := func(name string) string {
		// A shorter duration is in the text with its fraction.
		if ms := f.Figures[name+"_ms"]; ms >= 1000 {
			return q.Duration(time.Duration(ms * float64(time.Millisecond)))
		}
		text := findings.Read(&f, name)
		if slices.Contains([]string{"why", "error", "of", "closest"}, name) {
			text = q.meaning(text)
		}
		return text
	}
	return foundText{findings.Fill(t.What, value), findings.Fill(t.Do, value)}
}
