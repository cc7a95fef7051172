package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Archive has ended tasks, also those that Redis has removed. Package sqlarchive has one.
type Archive interface {
	// Tasks reads up to limit ended tasks, the latest end first. after is the Next of the page
	// before, "" for the first page.
	Tasks(ctx context.Context, q ArchiveQuery, after string, limit int) (ArchivePage, error)
	// Get reads the generations of a task, the newest first; none if there is no such task.
	Get(ctx context.Context, pool, id string) ([]Archived, error)
}

// ArchiveQuery selects archived tasks. A task must match every field that is set, and one value
// of that field.
type ArchiveQuery struct {
	Pool                  string
	State                 task.State // "" for all
	Kinds, Queues, Groups []string
	Whole                 bool // read payloads and results, too
}

// ArchivePage is a part of a list.
type ArchivePage struct {
	Tasks []*task.Task
	Next  string // "" if there are no more tasks
}

// Archived is a generation of a task in the archive.
type Archived struct {
	*task.Task
	Attempts    []task.AttemptRecord
	Hosts       map[string]task.Host // of the replicas of the attempts, as far as they are known
	Events      []task.Event
	Complete    bool // the events of all versions were seen
	Unread      bool // Redis had removed the task before its payload was read
	ResultBytes int  // length of a result that was not read
}

// Where returns the host and the IP address of a replica, "" if they are not known.
func (a Archived) Where(replica string) string { return a.Hosts[replica].String() }

const (
	// inArchive precedes positions in the archive among those of a list.
	inArchive = "archive."
	// archiveRows is how many rows of the archive one read has, and keptRows that of a read among
	// tasks that Redis still has, which are not listed a second time.
	archiveRows = 250
	keptRows    = 1000
	// mostKept is how many such rows one page skips.
	mostKept = 50_000
	// mostGenerations is how many generations of a task its page has.
	mostGenerations = 20
)

// unarchived are the words of a query that the archive does not have.
func (q *query) unarchived() (words []string) {
	for name, set := range map[string]bool{"label": len(q.Labels) > 0, "parent": q.Parent != "", "hold": q.Hold, "order": q.Reverse} {
		if set {
			words = append(words, name)
		}
	}
	slices.Sort(words)
	return words
}

// goOn continues a list of ended tasks in the archive, from the end of what Redis keeps. It adds
// tasks until the page is full or enough rows were compared. An archive that does not answer
// leaves the page as it is.
func (q *request) goOn(page *tasksPage, wanted query, now time.Time, after string) {
	if q.c.opts.Archive == nil || !wanted.State.Terminal() && wanted.State != anyState {
		return
	}
	if words := wanted.unarchived(); len(words) > 0 {
		page.ArchiveNote = q.T("archive.words", strings.Join(words, ", "))
		return
	}
	ask := ArchiveQuery{Pool: q.site.name, State: wanted.State, Kinds: wanted.Kinds, Queues: wanted.Queues, Groups: wanted.Groups, Whole: wanted.whole()}
	if wanted.State == anyState {
		ask.State = ""
	}
	budget, size := searched, rows
	switch {
	case ask.Whole:
		budget = readAtOnce
	case len(wanted.Error)+len(wanted.Causes) > 0 || wanted.Unique != "" || wanted.Older+wanted.Newer > 0: // which the archive does not compare
		size = archiveRows
	}
	end, err := q.search(ask.Whole)
	if err != nil {
		page.Next, page.ArchiveNote = "", q.T("archive.fails")
		return
	}
	defer func() { end() }()
	ctx, cancel := context.WithTimeout(q.Context(), patience)
	defer cancel()
	next := size
	for read, kept := 0, 0; read < budget && kept < mostKept; {
		found, err := q.c.opts.Archive.Tasks(ctx, ask, after, next)
		compared := len(found.Tasks)
		if err == nil {
			found.Tasks, err = q.removed(ctx, found.Tasks)
		}
		if err != nil && ctx.Err() != nil && read+kept > 0 {
			break // the next page goes on from here
		}
		if err != nil {
			q.c.log.Warn("the archive cannot be read", "err", err)
			page.ArchiveNote = q.T("archive.fails")
			return
		}
		page.ArchiveRead += compared
		next = size
		// The newest tasks of the archive are those that Redis has, too. They may be many, and
		// removed ones may be among them: reads become larger, and of few requests at once.
		if compared > 0 && len(found.Tasks) == 0 && !ask.Whole {
			if kept == 0 {
				if end, err = q.search(true); err != nil {
					end = func() {}
					return
				}
			}
			kept += compared
			next = keptRows
		} else {
			read += max(compared, size)
		}
		for _, t := range found.Tasks {
			if q.c.redact(t); wanted.matches(t, now) {
				forgetData(t)
				page.Archived = append(page.Archived, t)
			}
		}
		after = found.Next
		if after == "" || len(page.Tasks)+len(page.Archived) >= rows {
			break
		}
	}
	if page.Next = ""; after != "" {
		page.Next = inArchive + after
	}
}

// removed returns the tasks that Redis no longer has in this generation.
func (q *request) removed(ctx context.Context, tasks []*task.Task) (gone []*task.Task, err error) {
	kept := map[string]int{}
	for t, err := range q.site.details(ctx, tasks, true) {
		if err != nil {
			return nil, err
		}
		kept[t.ID] = t.Generation
	}
	for _, t := range tasks {
		if generation, ok := kept[t.ID]; !ok || generation != t.Generation {
			gone = append(gone, t)
		}
	}
	return gone, nil
}

// archivedGeneration is a generation of a task with the times of its attempts.
type archivedGeneration struct {
	Archived
	Steps []step
}

type archivedPage struct {
	ID          string
	Kept        bool // Redis has a task with the id
	Generations []archivedGeneration
	More        int
}

// archived is the page of a task in the archive.
func (q *request) archived() error {
	id := q.FormValue("id")
	found, err := q.fromArchive(id)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return notFound("task", id)
	}
	live, err := q.site.store.Get(q.Context(), id)
	if err != nil {
		return err
	}
	page := archivedPage{ID: id, Kept: live[0] != nil, More: max(len(found)-mostGenerations, 0)}
	for _, a := range found[:len(found)-page.More] {
		q.c.redact(a.Task)
		page.Generations = append(page.Generations, archivedGeneration{a, timeline(a.Task, a.Attempts, time.Now())})
	}
	return q.render("archived", time.Time{}, page)
}

// fromArchive reads the generations of a task, none without an archive.
func (q *request) fromArchive(id string) ([]Archived, error) {
	if q.c.opts.Archive == nil || task.CheckName(id) != nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(q.Context(), patience)
	defer cancel()
	found, err := q.c.opts.Archive.Get(ctx, q.site.name, id)
	if err != nil {
		q.c.log.Warn("the archive cannot be read", "err", err)
		return nil, &problem{http.StatusServiceUnavailable, "archive.fails", nil}
	}
	return found, nil
}

// HasArchive reports whether the console has an archive.
func (q *request) HasArchive() bool { return q.c.opts.Archive != nil }
