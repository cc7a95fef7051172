package console

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// apiPoolRow is a pool that the user may see.
type apiPoolRow struct {
	record.Pool
	Role string `json:"role"`
}

type apiPoolList struct {
	Pools []apiPoolRow `json:"pools"`
}

func (q *request) apiPools() (any, error) {
	names := q.readable()
	list := apiPoolList{Pools: make([]apiPoolRow, len(names))}
	var reads sync.WaitGroup
	for i, name := range names { // at once: a pool that does not answer does not delay the others
		reads.Go(func() {
			var s task.Stats
			p, err := q.c.sites[name].picture(q.Context())
			if err == nil {
				s = p.Stats
			}
			list.Pools[i] = apiPoolRow{record.OfPool(name, s, err), q.user.Role(name).String()}
		})
	}
	reads.Wait()
	return list, nil
}

// apiPoolRecord is a pool with its settings.
type apiPoolRecord struct {
	record.Stats
	Role       string `json:"role"`
	At         string `json:"at"`
	GroupLimit int    `json:"group_limit"` // of groups without one of their own; 0 is no limit
	GroupRate  string `json:"group_rate"`  // the same for rates
}

func (q *request) apiPool() (any, error) {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	archives, err := q.site.store.Archives(q.Context())
	if err != nil {
		return nil, err
	}
	r := apiPoolRecord{Stats: record.OfStats(q.site.name, p.Stats), Role: q.role.String(), At: record.Instant(p.At), GroupLimit: p.DefaultLimit,
		GroupRate: terminal.RateLimitText(p.DefaultRate)}
	r.Archives = record.Archives(archives)
	return r, nil
}

type apiQueueList struct {
	At     string             `json:"at"`
	Queues []record.QueueLoad `json:"queues"`
}

func (q *request) apiQueues() (any, error) {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	list := apiQueueList{At: record.Instant(p.At), Queues: []record.QueueLoad{}}
	for _, load := range p.Queues {
		list.Queues = append(list.Queues, record.OfQueueLoad(load))
	}
	return list, nil
}

type apiGroupList struct {
	At         string        `json:"at"`
	GroupLimit int           `json:"group_limit"`
	Groups     []groupRecord `json:"groups"`
}

// groupRecord is a group with its limit and its rate.
type groupRecord struct {
	Name      string `json:"name"`
	Running   int    `json:"running"`
	Held      int    `json:"held"`
	Limit     int    `json:"limit"` // 0 means no limit
	OwnLimit  bool   `json:"own_limit"`
	Rate      string `json:"rate"` // "none" for none
	OwnRate   bool   `json:"own_rate"`
	RateUntil string `json:"rate_until,omitempty"`
}

// mostNames bounds the groups that one request names.
const mostNames = 100

func (q *request) apiGroups() (any, error) {
	names := q.URL.Query()["name"]
	if len(names) > mostNames {
		return nil, &task.FieldError{Field: "name", Msg: fmt.Sprintf("must be given at most %d times", mostNames)}
	}
	p, err := q.groupsOf(names)
	if err != nil {
		return nil, err
	}
	list := apiGroupList{At: record.Instant(p.At), GroupLimit: p.DefaultLimit, Groups: []groupRecord{}}
	for _, g := range p.Groups {
		list.Groups = append(list.Groups, groupRecord{Name: g.Name, Running: g.Running, Held: g.Held, Limit: g.Limit, OwnLimit: g.Own,
			Rate: terminal.RateLimitText(g.Rate), OwnRate: g.OwnRate, RateUntil: record.Instant(g.RateUntil)})
	}
	return list, nil
}

type apiReplicaList struct {
	At       string           `json:"at"`
	Replicas []record.Replica `json:"replicas"`
}

func (q *request) apiReplicas() (any, error) {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	list := apiReplicaList{At: record.Instant(p.At), Replicas: []record.Replica{}}
	for _, r := range p.Replicas {
		list.Replicas = append(list.Replicas, record.OfReplica(r))
	}
	return list, nil
}

func (q *request) apiDrain() (any, error) { return q.apiAct(q.draining(q.PathValue("replica"))) }

type apiEventList struct {
	Events []record.Event `json:"events"`
	Next   string         `json:"next,omitempty"`
}

// position is a position in a stream of Redis.
var position = regexp.MustCompile(`^\d{1,19}(-\d{1,19})?$`)

// cursor returns a parameter that is a position, "" for none.
func (q *request) cursor(name string) (string, error) {
	text := q.FormValue(name)
	if text != "" && !position.MatchString(text) {
		return "", &task.FieldError{Field: name, Msg: "must be a cursor, the value of next"}
	}
	return text, nil
}

// apiEvents returns events, the newest first, or with since the next ones after a cursor, the
// oldest first.
func (q *request) apiEvents() (any, error) {
	limit, err := q.count("limit", 2*rows, mostChosen)
	if err != nil {
		return nil, err
	}
	after, err := q.cursor("after")
	if err != nil {
		return nil, err
	}
	since, err := q.cursor("since")
	if err != nil {
		return nil, err
	}
	var events []task.Event
	switch {
	case after != "" && since != "":
		return nil, &task.FieldError{Field: "since", Msg: "and after cannot both be given"}
	case since != "":
		events, err = q.site.store.ReadEvents(q.Context(), since, limit, 0)
	default:
		events, err = q.site.store.RecentEvents(q.Context(), after, limit)
	}
	if err != nil {
		return nil, err
	}
	list := apiEventList{Events: []record.Event{}, Next: since}
	for _, e := range events {
		e.Result = q.hide(e.Kind, "result", e.Result)
		meta := map[string]string{}
		for name, value := range e.Meta {
			meta[name] = string(q.hide(e.Kind, name, []byte(value)))
		}
		e.Meta = meta
		list.Events, list.Next = append(list.Events, record.OfEvent(e)), e.Cursor
	}
	return list, nil
}

type apiRejectedList struct {
	Rejected []record.Reject `json:"rejected"`
	More     bool            `json:"more,omitempty"` // there are others
}

func (q *request) apiRejected() (any, error) {
	limit, err := q.count("limit", 2*rows, mostChosen)
	if err != nil {
		return nil, err
	}
	list := apiRejectedList{Rejected: []record.Reject{}}
	now := time.Now()
	for r, err := range q.site.pool.Rejected(q.Context()) {
		if err != nil {
			return nil, err
		}
		if len(list.Rejected) == limit {
			list.More = true
			break
		}
		own := record.OfReject(&r, now)
		shown := q.hideEntry(&r)
		own.Entry, own.EntryText, own.EntryBase64 = record.Forms([]byte(shown))
		own.Reason = q.hideReason(r.Reason, shown)
		list.Rejected = append(list.Rejected, own)
	}
	return list, nil
}

func (q *request) apiPutBack() (any, error) { return q.apiAct(q.puttingBack(q.PathValue("id"))) }
func (q *request) apiDrop() (any, error)    { return q.apiAct(q.dropping(q.PathValue("id"))) }

// apiAuditEntry is an entry of the audit stream.
type apiAuditEntry struct {
	ID     string `json:"id"`
	At     string `json:"at"`
	User   string `json:"user"`
	Method string `json:"method"`
	Action string `json:"action"`
	Target string `json:"target,omitempty"`
	Count  int    `json:"count,omitempty"`
	Reason string `json:"reason,omitempty"`
	Of     string `json:"of,omitempty"` // the entry of the action that this is the outcome of
	Done   int    `json:"done,omitempty"`
	Error  string `json:"error,omitempty"`
}

type apiAuditList struct {
	Entries []apiAuditEntry `json:"entries"`
	Next    string          `json:"next,omitempty"`
}

func (q *request) apiAudit() (any, error) {
	limit, err := q.count("limit", 2*rows, mostChosen)
	if err != nil {
		return nil, err
	}
	after, err := q.cursor("after")
	if err != nil {
		return nil, err
	}
	refused := q.FormValue("refused")
	if refused != "" && refused != "true" && refused != "false" {
		return nil, &task.FieldError{Field: "refused", Msg: "must be true or false"}
	}
	entries, err := q.site.store.AuditLog(q.Context(), after, limit, refused == "true")
	if err != nil {
		return nil, err
	}
	list := apiAuditList{Entries: []apiAuditEntry{}}
	for _, e := range entries {
		list.Entries = append(list.Entries, apiAuditEntry{ID: e.ID, At: record.Instant(e.At), User: e.User, Method: e.Method, Action: e.Action,
			Target: e.Target, Count: e.Count, Reason: e.Reason, Of: e.Of, Done: e.Done, Error: e.Error})
	}
	if len(entries) == limit {
		list.Next = entries[len(entries)-1].ID
	}
	return list, nil
}

type apiFindingList struct {
	At       string           `json:"at"`
	Findings []record.Finding `json:"findings"`
}

func (q *request) apiFindings() (any, error) {
	findings, at, err := q.findings()
	if err != nil {
		return nil, err
	}
	list := apiFindingList{At: record.Instant(at), Findings: []record.Finding{}}
	for _, f := range findings {
		list.Findings = append(list.Findings, record.OfFinding(f))
	}
	return list, nil
}
