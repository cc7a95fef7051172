package console

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestPageOfATaskLinksItsTrace(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	b := newBrowser(t, func(o *Options) {
		o.TraceURL = `https://traces.example/t/{trace_id}?a="<b>&c`
		o.Redact = func(kind, key string, value []byte) []byte {
			if kind == "hidden" && key == "traceparent" {
				return nil
			}
			return value
		}
	})
	good := map[string]string{"traceparent": "00-" + id + "-00f067aa0ba902b7-01"}
	b.enqueue(task.Spec{ID: "linked", Headers: good}, task.Spec{ID: "upper", Headers: map[string]string{"Traceparent": good["traceparent"]}}, task.Spec{ID: "hidden", Kind: "hidden", Headers: good},
		task.Spec{ID: "bad", Headers: map[string]string{"traceparent": `00-"><script>-00f067aa0ba902b7-01`}},
		task.Spec{ID: "zero", Headers: map[string]string{"traceparent": "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"}}, task.Spec{ID: "none"})
	if page := b.page("task?id=upper"); !strings.Contains(page, "traces.example/t/"+id) {
		t.Error("a header with an upper-case letter has no link")
	}
	if page := b.page("task?id=linked"); !strings.Contains(page, `href="https://traces.example/t/`+id+`?a=%22%3cb%3e&amp;c"`) {
		t.Error(page)
	}
	for _, name := range []string{"hidden", "bad", "zero", "none"} {
		if page := b.page("task?id=" + name); strings.Contains(page, "traces.example") || strings.Contains(page, "<script>") {
			t.Errorf("%s has a link", name)
		}
	}
}

func TestAddressOfTracesIsChecked(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "https://t.example/trace/{trace_id}": true, "http://t:16686/?id={trace_id}&x=1": true, "https://t.example/#/{trace_id}": true,
		"https://t.example/": false, "javascript:alert({trace_id})": false, "//t.example/{trace_id}": false, "https://{trace_id}/": false,
		"data:text/html,{trace_id}": false, "https:{trace_id}": false, "/trace/{trace_id}": false, " https://t/{trace_id}": false,
	} {
		if err := checkTraceURL(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
