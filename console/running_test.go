package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// The pages of running tasks have each task once, parents at the end, also if a task ends between two pages.
func TestRunningTasksHavePages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprint("r", i))
		b.enqueue(task.Spec{ID: want[i]})
	}
	b.serve(task.Registration{Replica: "r", Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}, 7)
	for _, id := range []string{"p1", "p2"} {
		b.enqueue(task.Spec{ID: id, Queue: "later", Shards: 2})
		want = append(want, id)
	}
	b.c.sites[b.name].forget()
	for _, words := range []string{"state:running", "state:running age:<1h"} {
		var got []string
		for after, pages := "", 0; ; pages++ {
			list := must[apiTaskList](b, http.MethodGet, b.at("/tasks?limit=2&q="+url.QueryEscape(words)+"&after="+after), nil)
			for _, one := range list.Tasks {
				got = append(got, one.ID)
			}
			if after = list.Next; after == "" || pages == 9 {
				break
			}
			if len(list.Tasks) != 2 || list.More != 0 || list.Total != 9 {
				t.Errorf("%s: %+v", words, list)
			}
		}
		if !slices.Equal(got[:min(len(got), 7)], want[:7]) || len(got) != 9 || got[7]+got[8] != "p1p2" && got[7]+got[8] != "p2p1" {
			t.Errorf("%s: %v", words, got)
		}
	}
	gone := place{false, b.get("r3").StartedAt.UnixMilli(), "r3 and what came after it"}
	list := must[apiTaskList](b, http.MethodGet, b.at("/tasks?state=running&after="+gone.String()), nil)
	if len(list.Tasks) != 5 || list.Tasks[0].ID != "r4" {
		t.Errorf("after a task that has ended: %+v", list.Tasks)
	}
	b.problem(http.MethodGet, b.at("/tasks?state=running&after=x"), nil, http.StatusBadRequest)
}

// A page of running tasks has as many rows as others.
func TestPageOfRunningTasksHasABound(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for i := range rows + 5 {
		b.enqueue(task.Spec{ID: fmt.Sprintf("r%03d", i)})
	}
	b.serve(task.Registration{Replica: "r", Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 99}}}, rows+5)
	page := b.page("tasks?state=running")
	if n := strings.Count(page, "task?id="); n != rows || !strings.Contains(page, `rel="next"`) {
		t.Errorf("%d rows:\n%s", n, page)
	}
}
