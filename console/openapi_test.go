package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// strictAPI is the file of the API, in which objects have only the fields that it names.
var strictAPI = sync.OnceValues(func() (*openapi3.T, error) {
	// Times have milliseconds and are in UTC.
	openapi3.DefineStringFormatValidator("date-time", openapi3.NewRegexpFormatValidator(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`))
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		return nil, err
	}
	for _, s := range doc.Components.Schemas {
		if more := &s.Value.AdditionalProperties; len(s.Value.Properties) > 0 && more.Has == nil && more.Schema == nil {
			more.Has = new(false)
		}
	}
	return doc, doc.Validate(context.Background())
})

func loadAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := strictAPI()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Each route is in the file with its role and its parameters, and the other way round.
func TestAPIFileHasTheRoutes(t *testing.T) {
	doc := loadAPI(t)
	undescribed := map[string]bool{"GET /openapi.yaml": true} // it needs no user
	for _, r := range apiRoutes {
		undescribed[r.method+" "+r.path] = true
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			key := method + " " + path
			if !undescribed[key] {
				t.Errorf("no route for %s", key)
			}
			delete(undescribed, key)
			i := slices.IndexFunc(apiRoutes, func(r apiRoute) bool { return r.method+" "+r.path == key })
			if i < 0 {
				continue
			}
			r := apiRoutes[i]
			if role := fmt.Sprint(op.Extensions["x-role"]); role != r.role.String() {
				t.Errorf("%s: the file has the role %s, the route %s", key, role, r.role)
			}
			var params []string
			for _, p := range op.Parameters {
				if p.Value.In == openapi3.ParameterInQuery {
					params = append(params, p.Value.Name)
				}
			}
			if want := strings.Fields(r.params); !slices.Equal(params, want) {
				t.Errorf("%s: the file has the parameters %v, the route %v", key, params, want)
			}
			if op.Summary == "" || op.OperationID == "" {
				t.Errorf("%s has no summary or no name", key)
			}
		}
	}
	for key := range undescribed {
		t.Errorf("%s is not in the file", key)
	}
}

// operation returns the route of a path below apiRoot, with the values of its parameters.
func operation(t *testing.T, doc *openapi3.T, method, path string) (item *openapi3.PathItem, pattern string, values map[string]string) {
	t.Helper()
	best := -1
	parts := strings.Split(path, "/")
	for name, one := range doc.Paths.Map() {
		want, given, fixed := strings.Split(name, "/"), map[string]string{}, 0
		if len(want) != len(parts) || one.GetOperation(method) == nil {
			continue
		}
		for i, part := range parts {
			if param, ok := strings.CutPrefix(want[i], "{"); ok {
				given[strings.TrimSuffix(param, "}")], _ = url.PathUnescape(part)
			} else if want[i] == part {
				fixed++
			} else {
				fixed = -100
			}
		}
		if fixed > best {
			best, item, pattern, values = fixed, one, name, given
		}
	}
	if item == nil {
		t.Fatalf("%s %s is not in the file", method, path)
	}
	return item, pattern, values
}

// apiReply is an answer of the API.
type apiReply struct {
	status int
	header http.Header
	body   []byte
}

// api makes a request and compares it and the answer with the file. body is nil for none. The
// request is not compared if the answer says that it is wrong.
func (b *browser) api(method, path string, body any, headers ...string) apiReply {
	b.t.Helper()
	var text []byte
	if raw, ok := body.(string); ok {
		text = []byte(raw)
	} else if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			b.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+apiRoot+path, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if b.authorization != "" {
		r.Header.Set("Authorization", b.authorization)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	got := apiReply{status: resp.StatusCode, header: resp.Header}
	if got.body, err = io.ReadAll(resp.Body); err != nil {
		b.t.Fatal(err)
	}
	b.compare(r, text, got)
	return got
}

// compare compares a request and its answer with the file.
func (b *browser) compare(r *http.Request, body []byte, got apiReply) {
	b.t.Helper()
	doc := loadAPI(b.t)
	item, pattern, values := operation(b.t, doc, r.Method, strings.TrimPrefix(r.URL.EscapedPath(), strings.TrimPrefix(b.url, "http://"+r.URL.Host)+apiRoot))
	r.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: values, QueryParams: r.URL.Query(),
		Route:   routeOf(doc, item, pattern, r.Method),
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if got.status < 400 {
		if err := openapi3filter.ValidateRequest(b.t.Context(), in); err != nil {
			b.t.Errorf("%s %s: the request is not as in the file: %v", r.Method, r.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: got.status, Header: got.header, Options: in.Options}
	out.SetBodyBytes(got.body)
	if err := openapi3filter.ValidateResponse(b.t.Context(), out); err != nil {
		b.t.Errorf("%s %s: the answer %d is not as in the file: %v", r.Method, r.URL, got.status, err)
	}
}

// must makes a request that has to succeed and decodes the answer.
func must[T any](b *browser, method, path string, body any) (value T) {
	b.t.Helper()
	got := b.api(method, path, body)
	if got.status >= 300 {
		b.t.Fatalf("%s %s: %d %s", method, path, got.status, got.body)
	}
	if len(got.body) > 0 {
		if err := json.Unmarshal(got.body, &value); err != nil {
			b.t.Fatalf("%s %s: %v in %s", method, path, err, got.body)
		}
	}
	return value
}

// at returns the path of a route of the pool.
func (b *browser) at(path string) string { return "/pools/" + url.PathEscape(b.name) + path }

func routeOf(doc *openapi3.T, item *openapi3.PathItem, pattern, method string) *routers.Route {
	return &routers.Route{Spec: doc, Path: pattern, PathItem: item, Method: method, Operation: item.GetOperation(method)}
}
