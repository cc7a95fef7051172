// Package page is a page to create, start, stop, delete, watch and download cuts. It has no
// login, so it must be reachable only by its users: by default it listens on a loopback
// address.
package page

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log"
	"mime"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/ltsworker/ltsworker/export/sql"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Kind is the kind of the tasks.
const Kind = "video.cut"

//go:embed index.html app.js style.css
var files embed.FS

var index = template.Must(template.ParseFS(files, "index.html"))

// Page serves the page. All fields are required.
type Page struct {
	Pool    *pool.Pool
	Results pool.Exporter // of the pool
	Videos  *os.Root      // the videos to cut
	Cuts    *os.Root      // the cut videos
	// Hosts are the values of the header Host that are answered. Others come from a page of
	// another site whose name was made to resolve to this address.
	Hosts []string
}

// Handler returns the handler of all paths.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.list)
	mux.HandleFunc("GET /tasks", p.watch)
	mux.HandleFunc("POST /tasks", p.create)
	mux.HandleFunc("GET /tasks/{id}/video", p.download)
	for verb, do := range map[string]func(context.Context, pool.Filter) (int, error){
		"start": p.Pool.RunNow,
		"stop": func(ctx context.Context, f pool.Filter) (int, error) {
			return p.Pool.Stop(ctx, f, "stopped on the page")
		},
		"delete": p.remove,
	} {
		mux.HandleFunc("POST /tasks/{id}/"+verb, func(w http.ResponseWriter, r *http.Request) {
			_, err := do(r.Context(), pool.Filter{IDs: []string{r.PathValue("id")}})
			back(w, r, err)
		})
	}
	mux.Handle("GET /app.js", http.FileServerFS(files))
	mux.Handle("GET /style.css", http.FileServerFS(files))
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !slices.Contains(p.Hosts, r.Host) {
			http.Error(w, "this host is not served", http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		guarded.ServeHTTP(w, r)
	})
}

// Cut is the payload of a task.
type Cut struct {
	Title    string  `json:"title"`
	Video    string  `json:"video"`
	From     float64 `json:"from"`
	Seconds  float64 `json:"seconds"`
	Realtime bool    `json:"realtime"`
}

// row is a task as the page shows it.
type row struct {
	ID       string  `json:"id"`
	Title    string  `json:"title"`
	Cut      string  `json:"cut"`
	State    string  `json:"state"`
	Done     float64 `json:"done"` // percent
	Error    string  `json:"error"`
	Start    bool    `json:"start"` // the buttons that apply
	Stop     bool    `json:"stop"`
	Delete   bool    `json:"delete"`
	Download bool    `json:"download"`
	created  time.Time
}

// rows returns the tasks, the newest first.
func (p *Page) rows(ctx context.Context) ([]row, error) {
	rows := []row{}
	for t, err := range p.Pool.Tasks(ctx, pool.Filter{Kinds: []string{Kind}}) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, newRow(t))
	}
	slices.SortFunc(rows, func(a, b row) int { return b.created.Compare(a.created) })
	return rows, nil
}

func newRow(t *task.Task) row {
	var c Cut
	_ = json.Unmarshal(t.Payload, &c) // of another program: shown without a title
	var progress struct{ Done float64 }
	_ = json.Unmarshal(t.Progress, &progress)
	r := row{
		ID: t.ID, Title: c.Title, Cut: fmt.Sprintf("%s, %gs from %gs", c.Video, c.Seconds, c.From), State: string(t.State),
		Done: 100 * min(1, max(0, progress.Done)), Error: t.Error, created: t.CreatedAt,
		Start: t.State == pool.Scheduled, Stop: !t.State.Terminal(), Delete: t.State.Terminal(), Download: t.State == pool.Succeeded,
	}
	if t.Hold && t.State == pool.Scheduled {
		r.State = "created"
	}
	return r
}

func (p *Page) list(w http.ResponseWriter, r *http.Request) {
	rows, err := p.rows(r.Context())
	var videos []string
	if err == nil {
		videos, err = fs.Glob(p.Videos.FS(), "*.mp4")
	}
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := index.Execute(w, map[string]any{"Rows": rows, "Videos": videos}); err != nil {
		log.Print("page: ", err)
	}
}

func (p *Page) watch(w http.ResponseWriter, r *http.Request) {
	rows, err := p.rows(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(rows) // the client is gone
}

// create enqueues a task on hold.
func (p *Page) create(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseFloat(r.FormValue("from"), 64)
	seconds, err2 := strconv.ParseFloat(r.FormValue("seconds"), 64)
	c := Cut{Title: r.FormValue("title"), Video: r.FormValue("video"), From: from, Seconds: seconds, Realtime: r.FormValue("realtime") != ""}
	if err := errors.Join(err, err2); err != nil || !(from >= 0 && from < 1e6 && seconds > 0 && seconds < 1e6) || len(c.Title) > 200 {
		http.Error(w, "the start and the length must be numbers of seconds, and the title at most 200 bytes long", http.StatusBadRequest)
		return
	}
	if _, err := p.Videos.Stat(c.Video); err != nil {
		http.Error(w, "there is no such video", http.StatusBadRequest)
		return
	}
	payload, err := json.Marshal(c)
	if err == nil {
		_, err = p.Pool.EnqueueSpec(r.Context(), pool.Spec{Kind: Kind, Payload: payload, Hold: true, Retain: new(7 * 24 * time.Hour)})
	}
	back(w, r, err)
}

// fileRule is what names of cut videos look like.
var fileRule = regexp.MustCompile(`^[a-z0-9-]{1,80}\.mp4$`)

// cutFile returns the name of the cut video of a task, "" for none. It loads the result, which
// is what the service has answered and may be anything.
func (p *Page) cutFile(ctx context.Context, t *task.Task) (string, error) {
	if t.State != pool.Succeeded {
		return "", nil
	}
	loaded, err := p.Pool.LoadResult(ctx, t)
	if errors.Is(err, sql.ErrNotFound) {
		return "", nil
	}
	var result struct{ File string }
	if err != nil || json.Unmarshal(loaded, &result) != nil || !fileRule.MatchString(result.File) {
		return "", err
	}
	return result.File, nil
}

// download sends the cut video of a task. The root does not lead out of its directory, also
// not by a symbolic link.
func (p *Page) download(w http.ResponseWriter, r *http.Request) {
	t, err := p.Pool.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		back(w, r, err)
		return
	}
	name, err := p.cutFile(r.Context(), t)
	if err != nil {
		fail(w, err)
		return
	}
	if name == "" {
		http.Error(w, "there is no such video", http.StatusNotFound)
		return
	}
	f, err := p.Cuts.Open(name)
	if err != nil {
		http.Error(w, "the video is gone", http.StatusNotFound)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.Error(w, "the video is gone", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": info.Name()}))
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// remove deletes an ended task, its result and its video. The pool deletes no results itself.
func (p *Page) remove(ctx context.Context, f pool.Filter) (int, error) {
	t, err := p.Pool.Get(ctx, f.IDs[0])
	if err != nil {
		return 0, err
	}
	name, err := p.cutFile(ctx, t)
	if err != nil {
		return 0, err
	}
	n, err := p.Pool.Delete(ctx, f)
	if err == nil && t.Exported {
		err = p.Results.Delete(ctx, t.Result)
	}
	if err == nil && name != "" {
		if err = p.Cuts.Remove(name); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return n, err
}

// back leads back to the list after a change.
func back(w http.ResponseWriter, r *http.Request, err error) {
	var wrong *pool.FieldError
	switch {
	case err == nil:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case errors.Is(err, pool.ErrNotFound), errors.As(err, &wrong):
		http.Error(w, "there is no such task", http.StatusNotFound)
	case errors.Is(err, pool.ErrEnded), errors.Is(err, pool.ErrNotEnded), errors.Is(err, pool.ErrNotScheduled):
		http.Error(w, "the task is in another state", http.StatusConflict)
	default:
		fail(w, err)
	}
}

// fail answers a request that failed for a reason that the user need not know.
func fail(w http.ResponseWriter, err error) {
	log.Print("page: ", err)
	http.Error(w, "the pool does not answer", http.StatusServiceUnavailable)
}
