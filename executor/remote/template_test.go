package remote

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func templated(c *Config) {
	c.URL += "/v1/{{payload.project}}/cut.{{payload.format | default mp4}}?key=a/b"
	c.Headers = map[string]string{"X-Tenant": "t={{payload.tenant | default none}}", "X-Fixed": "f"}
	c.Body = map[string]any{
		"url": "{{payload.url}}", "size": "{{payload.size | default 720}}", "all": "{{payload | json}}",
		"fixed": 3, "deep": map[string]any{"list": []any{"{{id}}", true, nil}},
	}
}

func TestValuesOfATaskFillTheirPlaces(t *testing.T) {
	s := serve(t, nil)
	if _, err := s.handler(t, templated)(t.Context(), newTask(`{"project":"a b","url":"u","size":1080,"tenant":"x"}`)); err != nil {
		t.Fatal(err)
	}
	r := s.all()[0]
	verify(t, r)
	if r.RequestURI != "/v1/a%20b/cut.mp4?key=a/b" || r.Header.Get("X-Tenant") != "t=x" || r.Header.Get("X-Fixed") != "f" {
		t.Errorf("%s %v", r.RequestURI, r.Header)
	}
	if diff := cmp.Diff(fields(t, `{"url":"u","size":1080,"fixed":3,"deep":{"list":["t-1",true,null]},
		"all":{"project":"a b","url":"u","size":1080,"tenant":"x"}}`), fields(t, r.body)); diff != "" {
		t.Error(diff)
	}
}

// A value cannot leave the segment, the header or the field that it fills.
func TestValuesOfATaskInjectNothing(t *testing.T) {
	for payload, want := range map[string]struct{ uri, tenant, url string }{
		`{"project":"a/../../admin?x=1#y","url":"u\",\"fixed\":9,\"x\":\""}`: {"", "", ""}, // .. also behind an escaped slash
		`{"project":"a/b?x=1#y;%2f","url":"u\",\"fixed\":9,\"x\":\""}`:       {"/v1/a%2Fb%3Fx=1%23y%3B%252f/cut.mp4?key=a/b", "t=none", `u","fixed":9,"x":"`},
		`{"project":"..","url":"u"}`:                                         {},
		`{"project":"","url":"u"}`:                                           {},
		`{"project":"a\r\nX: y","url":"u\r\n\r\n"}`:                          {"/v1/a%0D%0AX:%20y/cut.mp4?key=a/b", "t=none", "u\r\n\r\n"},
		`{"project":"p","url":"u","tenant":"a\r\nX-Admin: 1"}`:               {},
		`{"project":"p","url":"u","tenant":"a\nb"}`:                          {},
		`{"project":"p","url":"u","tenant":"ä, b; c=\"d\""}`:                 {"/v1/p/cut.mp4?key=a/b", `t=ä, b; c="d"`, "u"},
		`{"project":"p","url":"u","format":"x/y"}`:                           {"/v1/p/cut.x%2Fy?key=a/b", "t=none", "u"},
		`{"project":["p"],"url":"u"}`:                                        {},
		`{"project":"p"}`:                                                    {},
		`no JSON`:                                                            {},
	} {
		s := serve(t, nil)
		_, err := s.handler(t, templated)(t.Context(), newTask(payload))
		if want.uri == "" {
			if !task.DispositionOf(err).BadPayload || len(s.all()) != 0 {
				t.Errorf("%s: %v, %d requests", payload, err, len(s.all()))
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", payload, err)
			continue
		}
		r := s.all()[0]
		m := fields(t, r.body)
		if r.RequestURI != want.uri || r.Header.Get("X-Tenant") != want.tenant || m["url"] != want.url || m["fixed"] != 3.0 || len(m) != 5 {
			t.Errorf("%s: %s, %q, %v", payload, r.RequestURI, r.Header.Get("X-Tenant"), m)
		}
		if r.Header.Get("X") != "" || r.Header.Get("X-Admin") != "" {
			t.Errorf("%s: %v", payload, r.Header)
		}
	}
}

// A service that sends back what it got puts no secret into an error or a log.
func TestErrorsAndLogsHaveNoSecrets(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, r.Header.Get("Authorization")+" "+r.Header.Get("X-Key")+" "+strings.TrimPrefix(r.Header.Get("X-Token"), "token=")+" "+secret+" "+string(b))
	})
	change := func(c *Config) {
		c.URL += "/hush-path?key=hush-query"
		c.SecretHeaders = map[string]string{"Authorization": "Bearer hush-token", "X-Key": "hush-key", "X-Token": "token=hush-third"}
		c.Mode, c.Callback = Callback, "https://worker.example/callback"
	}
	_, err := s.handler(t, change)(t.Context(), newTask("1"))
	_, token, _ := strings.Cut(fields(t, s.all()[0].body)["callback"].(string), "callback/")
	if s.all()[0].Header.Get("Authorization") != "Bearer hush-token" || token == "" {
		t.Fatal("the service did not get the secrets")
	}
	for _, text := range []string{err.Error(), s.log.all()} {
		if !strings.Contains(text, "Bad Gateway") || strings.Contains(text, "hush") || strings.Contains(text, token) || strings.Contains(text, secret[6:]) {
			t.Error(text)
		}
	}
}

func TestConfigReportsEveryProblemAtOnce(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want []string
	}{
		{Config{
			Pool: "{}", Mode: "push", URL: "ftp://x", Secrets: []string{"hush", "whsec_aHVzaA=="}, Networks: []string{"10.0.0.1/8", "127.0.0.1"},
			Headers: map[string]string{
				"Bad Name": "v", "Host": "v", "X-A": "{{payload.a", "x-a": "v", "X-Line": "a\nb", "Authorization": "Bearer hush", "Webhook-Id": "1",
			},
			SecretHeaders: map[string]string{"X-Secret": "hush\n"},
			Body:          map[string]any{"a": "{{b}}", "c": []any{"{{payload.x}} y"}, "d": make(chan int)},
			Redirects:     11, MaxResult: 1, Timeout: -1, RetryWithin: -1, StopWithin: -1, JobsURL: "https://a.example", Interval: 1, Within: 1,
		}, []string{
			`pool must not contain "{"`, `mode must be call, jobs or callback, not "push"`, "url must be a URL such as https://",
			"secret must be whsec_ and at least 24 random bytes in base64, such as whsec_$(openssl rand -base64 32): secret 1 is not", "secret 2 is not",
			"networks[0] must be the network 10.0.0.0/8", "headers.Bad Name cannot be the name of a header", "headers.Host is set by each request",
			"headers.X-A has a template that cannot be read", "headers.x-a is given twice", "headers.X-Line must not contain a line break",
			"headers.Authorization must not have its value here: name a variable or a file", "headers.Webhook-Id is set by each request", "headers.X-Secret must not contain a line break",
			"body.a has a template that cannot be read", "body.c[0] must not have text behind the template", "body.d cannot be written as JSON",
			"redirects must be from 0 to 10, not 11", "max_result must be from 128", "timeout must be positive", "retry_within must be positive",
			"stop_within must be positive", "jobs_url is only for mode: jobs", "interval is only for mode: jobs", "within is only for mode: callback",
		}},
		{Config{Pool: "p", Mode: Jobs, URL: "https://a.example/{{id}}", Interval: -1}, []string{
			"jobs_url is needed and must not have a template", "interval must be positive",
		}},
		{Config{Pool: "p", Mode: Callback, Within: -1}, []string{"url is missing", "callback is missing: give the URL under which this pool takes reports", "within must be from 1ms"}},
		{Config{Pool: "p", Mode: Callback, URL: "https://u:hush@a.example", Callback: "https://a.example?x=1"}, []string{
			"url must not have a user or password: use headers", "callback must not have a query",
		}},
		{Config{Pool: "p", URL: "https://{{payload.host}}/x", Callback: "https://a.example"}, []string{
			"url may have templates only as segments of its path", "callback is only for mode: callback and mode: jobs",
		}},
		{Config{Pool: "p", URL: "https://a.example/x?y={{id}}"}, []string{"url may have templates only as segments of its path"}},
		{Config{Pool: "p", URL: "https://a.example/x#y"}, []string{"url must not have a fragment"}},
		{Config{Pool: "p", URL: "a.example"}, []string{"url must be a URL such as https://cutter.example/cut"}},
		{Config{Pool: "p", URL: "https://a.example/{{id}}x"}, []string{"url must not have text behind the template"}},
	} {
		_, err := New(c.cfg)
		if err == nil {
			t.Errorf("%+v was accepted", c.cfg)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("no problem %q", want)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(c.want) {
			t.Errorf("%d problems, want %d:\n%v", n, len(c.want), err)
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("an error shows a secret:\n%v", err)
		}
	}
}
