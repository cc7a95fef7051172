package console

import (
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/task"
)

// apiRoot is the path of the API below the prefix, and reasonHeader the header with the reason of
// a change, for requests whose body has no place for it.
const (
	apiRoot      = "/api/v1"
	reasonHeader = "X-Reason"
)

//go:embed openapi.yaml
var openAPI []byte

// apiRoute is a route of the API, and the role that a user needs for it in its pool.
type apiRoute struct {
	method string
	path   string      // below apiRoot
	role   access.Role // None for a route that belongs to no pool
	params string      // the names of the parameters in the query, separated by spaces
	do     func(*request) (any, error)
}

// apiRoutes are all routes of the API for users. The tests of rights are generated from them.
var apiRoutes = []apiRoute{
	{http.MethodGet, "/pools", access.None, "", (*request).apiPools},
	{http.MethodGet, "/pools/{pool}", access.Viewer, "", (*request).apiPool},
	{http.MethodGet, "/pools/{pool}/tasks", access.Viewer, "q state after limit", (*request).apiTasks},
	{http.MethodPost, "/pools/{pool}/tasks", access.Operator, "", (*request).apiEnqueue},
	{http.MethodPost, "/pools/{pool}/tasks/batch", access.Operator, "", (*request).apiEnqueueBatch},
	{http.MethodGet, "/pools/{pool}/tasks/{id}", access.Viewer, "", (*request).apiTask},
	{http.MethodGet, "/pools/{pool}/tasks/{id}/progress", access.Viewer, "", (*request).apiProgress},
	{http.MethodGet, "/pools/{pool}/tasks/{id}/log", access.Viewer, "", (*request).apiLog},
	{http.MethodPost, "/pools/{pool}/tasks/stop", access.Operator, "", (*request).apiStop},
	{http.MethodPost, "/pools/{pool}/tasks/retry", access.Operator, "", (*request).apiRetry},
	{http.MethodPost, "/pools/{pool}/tasks/run", access.Operator, "", (*request).apiRun},
	{http.MethodPost, "/pools/{pool}/tasks/change", access.Operator, "", (*request).apiChange},
	{http.MethodPost, "/pools/{pool}/tasks/delete", access.Admin, "", (*request).apiDelete},

	{http.MethodGet, "/pools/{pool}/causes", access.Viewer, "limit", (*request).apiCauses},
	{http.MethodGet, "/pools/{pool}/queues", access.Viewer, "", (*request).apiQueues},
	{http.MethodGet, "/pools/{pool}/groups", access.Viewer, "name", (*request).apiGroups},
	{http.MethodGet, "/pools/{pool}/replicas", access.Viewer, "", (*request).apiReplicas},
	{http.MethodPost, "/pools/{pool}/replicas/{replica}/drain", access.Operator, "", (*request).apiDrain},

	{http.MethodGet, "/pools/{pool}/limits", access.Viewer, "", (*request).apiLimits},
	{http.MethodGet, "/pools/{pool}/limits/{scope}", access.Viewer, "", (*request).apiLimit},
	{http.MethodPut, "/pools/{pool}/limits/{scope}", access.Admin, "", (*request).apiSetLimit},
	{http.MethodGet, "/pools/{pool}/limits/{scope}/{name}", access.Viewer, "", (*request).apiLimit},
	{http.MethodPut, "/pools/{pool}/limits/{scope}/{name}", access.Admin, "", (*request).apiSetLimit},
	{http.MethodGet, "/pools/{pool}/rates", access.Viewer, "", (*request).apiRates},
	{http.MethodGet, "/pools/{pool}/rates/{scope}", access.Viewer, "", (*request).apiRate},
	{http.MethodPut, "/pools/{pool}/rates/{scope}", access.Admin, "", (*request).apiSetRate},
	{http.MethodGet, "/pools/{pool}/rates/{scope}/{name}", access.Viewer, "", (*request).apiRate},
	{http.MethodPut, "/pools/{pool}/rates/{scope}/{name}", access.Admin, "", (*request).apiSetRate},
	{http.MethodGet, "/pools/{pool}/pauses", access.Viewer, "", (*request).apiPauses},
	{http.MethodPut, "/pools/{pool}/pauses/{scope}", access.Operator, "", (*request).apiSetPause},
	{http.MethodPut, "/pools/{pool}/pauses/{scope}/{name}", access.Operator, "", (*request).apiSetPause},
	{http.MethodGet, "/pools/{pool}/aging", access.Viewer, "", (*request).apiAging},
	{http.MethodPut, "/pools/{pool}/aging/{queue}", access.Admin, "", (*request).apiSetAging},

	{http.MethodGet, "/pools/{pool}/triggers", access.Viewer, "", (*request).apiTriggers},
	{http.MethodGet, "/pools/{pool}/triggers/{name}", access.Viewer, "", (*request).apiTrigger},
	{http.MethodPut, "/pools/{pool}/triggers/{name}", access.Admin, "", (*request).apiSetTrigger},
	{http.MethodDelete, "/pools/{pool}/triggers/{name}", access.Admin, "", (*request).apiRemoveTrigger},
	{http.MethodPost, "/pools/{pool}/triggers/{name}/pause", access.Operator, "", (*request).apiPauseTrigger},
	{http.MethodPost, "/pools/{pool}/triggers/{name}/resume", access.Operator, "", (*request).apiResumeTrigger},
	{http.MethodPost, "/pools/{pool}/triggers/{name}/run", access.Operator, "", (*request).apiRunTrigger},
	{http.MethodGet, "/pools/{pool}/triggers/{name}/next", access.Viewer, "count", (*request).apiNextTimes},
	{http.MethodGet, "/pools/{pool}/triggers/{name}/history", access.Viewer, "", (*request).apiHistory},

	{http.MethodGet, "/pools/{pool}/events", access.Viewer, "after since limit", (*request).apiEvents},
	{http.MethodGet, "/pools/{pool}/rejected", access.Viewer, "limit", (*request).apiRejected},
	{http.MethodPost, "/pools/{pool}/rejected/{id}/put-back", access.Operator, "", (*request).apiPutBack},
	{http.MethodDelete, "/pools/{pool}/rejected/{id}", access.Admin, "", (*request).apiDrop},
	{http.MethodGet, "/pools/{pool}/audit", access.Viewer, "after limit refused", (*request).apiAudit},
	{http.MethodGet, "/pools/{pool}/bulk", access.Viewer, "", (*request).apiBulkJobs},
	{http.MethodPost, "/pools/{pool}/bulk", access.Operator, "", (*request).apiAskBulk}, // an admin for delete
	{http.MethodGet, "/pools/{pool}/bulk/{id}", access.Viewer, "", (*request).apiBulkJob},
	{http.MethodPost, "/pools/{pool}/bulk/{id}/confirm", access.Operator, "", (*request).apiConfirmBulk}, // likewise
	{http.MethodPost, "/pools/{pool}/bulk/{id}/cancel", access.Operator, "", (*request).apiCancelBulk},
	{http.MethodGet, "/pools/{pool}/alerts", access.Viewer, "", (*request).apiAlerts},
	{http.MethodGet, "/pools/{pool}/alerts/history", access.Viewer, "after limit", (*request).apiAlertHistory},
	{http.MethodGet, "/pools/{pool}/alerts/silences", access.Viewer, "", (*request).apiSilences},
	{http.MethodPost, "/pools/{pool}/alerts/silences", access.Operator, "", (*request).apiSilence},
	{http.MethodDelete, "/pools/{pool}/alerts/silences/{id}", access.Operator, "", (*request).apiUnsilence},
	{http.MethodGet, "/pools/{pool}/alerts/rules", access.Viewer, "", (*request).apiRules},
	{http.MethodGet, "/pools/{pool}/alerts/rules/{name}", access.Viewer, "", (*request).apiRule},
	{http.MethodPut, "/pools/{pool}/alerts/rules/{name}", access.Admin, "", (*request).apiSetRule},
	{http.MethodDelete, "/pools/{pool}/alerts/rules/{name}", access.Admin, "", (*request).apiRemoveRule},
	{http.MethodGet, "/pools/{pool}/findings", access.Viewer, "", (*request).apiFindings},
}

// apiHandler answers the requests below apiRoot. Every answer of an error is a problem in JSON.
func (c *Console) apiHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiRoot+"/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(openAPI) // a client that has gone gets nothing
	})
	for _, r := range apiRoutes {
		mux.HandleFunc(r.method+" "+apiRoot+r.path, c.api(r))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern == "" {
			answer := &statusOnly{header: w.Header()} // 404, or 405 with the allowed methods
			h.ServeHTTP(answer, r)
			(&request{Request: r, c: c, w: w, lang: "en"}).writeProblem(&apiError{status: answer.status})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// statusOnly keeps the status and the headers of an answer and drops its body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

// api handles a request of the API, if the role of the user allows it. The answers are those of
// guarded.
func (c *Console) api(r apiRoute) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		q := &request{Request: req, c: c, w: w, lang: "en"}
		value, err := q.serveAPI(r)
		if err != nil {
			q.writeProblem(err)
			return
		}
		q.writeJSON(value)
	}
}

func (q *request) serveAPI(r apiRoute) (_ any, err error) {
	if q.user, err = q.c.opts.Gate.Bearer(q.Request); err != nil {
		return nil, err
	}
	switch {
	case q.user == nil:
		return nil, &apiError{status: http.StatusUnauthorized, detail: "send a token: Authorization: Bearer TOKEN"}
	case q.user.MustChange:
		return nil, &apiError{status: http.StatusForbidden, detail: "the user has to change the password in the console first"}
	}
	if r.role > access.None {
		name := q.PathValue("pool")
		q.site, q.role = q.c.sites[name], q.user.Role(name)
		action := "api " + r.method + " " + strings.TrimPrefix(r.path, "/pools/{pool}")
		if q.site == nil || q.role < access.Viewer {
			q.foreign(action)
			return nil, notFound("pool", name)
		}
		q.c.logins.proxied(q.user, q.c.opts.Gate.Address(q.Request))
		if q.role < r.role {
			q.refused(action)
			return nil, &problem{http.StatusForbidden, "error.role", []any{r.role}}
		}
	}
	if err := q.checkParams(strings.Fields(r.params)); err != nil {
		return nil, err
	}
	return r.do(q)
}

// checkParams refuses parameters of the query that the route does not have: a list that ignores a
// misspelled word would have everything.
func (q *request) checkParams(known []string) error {
	var errs []error
	for name := range q.URL.Query() {
		if !slices.Contains(known, name) {
			msg := "is not a parameter of this path"
			if near := spelling.Nearest(name, known); near != "" {
				msg += "; did you mean " + near + "?"
			}
			errs = append(errs, &task.FieldError{Field: name, Msg: msg})
		}
	}
	return errors.Join(errs...)
}

// answer is what a route answers other than 200 with JSON.
type answer struct {
	status   int
	location string // "" for none
	value    any    // nil for no body
}

// empty is the answer of a change that has nothing to say.
var empty = answer{status: http.StatusNoContent}

func (q *request) writeJSON(value any) {
	a, ok := value.(answer)
	if !ok {
		a = answer{status: http.StatusOK, value: value}
	}
	if a.location != "" {
		q.w.Header().Set("Location", a.location)
	}
	if a.value != nil {
		q.w.Header().Set("Content-Type", "application/json")
	}
	q.w.WriteHeader(a.status)
	if a.value != nil {
		enc := json.NewEncoder(q.w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(a.value) // a client that has gone gets nothing
	}
}
