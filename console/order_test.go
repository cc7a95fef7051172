package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// With order:reverse the pages of a list have the same tasks in the reverse order.
func TestListsHaveAReverseOrder(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for i := range 5 {
		b.enqueue(task.Spec{ID: fmt.Sprint("r", i)})
	}
	b.serve(task.Registration{Replica: "r", Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}, 5)
	for i := range 5 {
		b.enqueue(task.Spec{ID: fmt.Sprint("s", i), RunAt: time.Now().Add(time.Duration(i+1) * time.Hour)}, task.Spec{ID: fmt.Sprint("w", i), Queue: "other"})
	}
	b.enqueue(task.Spec{ID: "parent", Queue: "other", Shards: 5})
	b.spread("parent")
	b.c.sites[b.name].forget()
	ids := func(words string) (all []string) {
		for after, pages := "", 0; pages < 20; pages++ {
			list := must[apiTaskList](b, http.MethodGet, b.at("/tasks?limit=2&q="+url.QueryEscape(words)+"&after="+after), nil)
			for _, one := range list.Tasks {
				all = append(all, one.ID)
			}
			if after = list.Next; after == "" {
				break
			}
		}
		return all
	}
	for words, n := range map[string]int{"state:running": 6, "state:scheduled": 5, "state:waiting queue:other": 10, "state:any kind:k": 21, "state:running age:<1h": 6} {
		usual, reversed := ids(words), ids(words+" order:reverse")
		if slices.Reverse(reversed); len(usual) != n || !slices.Equal(usual, reversed) {
			t.Errorf("%s: %v, want %d tasks; the reverse order, read from its end: %v", words, usual, n, reversed)
		}
	}
	children := func(words string) []string {
		var all []string
		for _, one := range must[apiTaskList](b, http.MethodGet, b.at("/tasks?q="+url.QueryEscape(words)), nil).Tasks {
			all = append(all, one.ID)
		}
		return all
	}
	usual, reversed := children("parent:parent"), children("parent:parent order:reverse")
	if slices.Reverse(reversed); len(usual) != 5 || !slices.Equal(usual, reversed) {
		t.Errorf("shards %v and %v", usual, reversed)
	}
	page := b.page("tasks?state=scheduled&q=age%3A%3C1h")
	if !strings.Contains(page, "q=age%3A%3C1h&#43;order%3Areverse") || strings.Contains(page, "Use the usual order") {
		t.Errorf("no link to the reverse order:\n%s", page)
	}
	page = b.page("tasks?state=scheduled&q=age%3A%3C1h+order%3Areverse")
	if !strings.Contains(page, `q=age%3A%3C1h&amp;state=scheduled">Use the usual order`) {
		t.Errorf("no link back:\n%s", page)
	}
}
