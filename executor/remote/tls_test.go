package remote

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// serveTLS serves s with TLS and HTTP/2.
func (r *recorder) serveTLS(t *testing.T) *httptest.Server {
	secure := httptest.NewUnstartedServer(r)
	secure.EnableHTTP2 = true
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	return secure
}

func TestServiceWithAnUnknownCertificateGetsNoRequest(t *testing.T) {
	s := serve(t, nil)
	secure := s.serveTLS(t)
	_, err := s.handler(t, func(c *Config) { c.URL, c.RetryWithin = secure.URL, time.Nanosecond })(t.Context(), newTask("1"))
	if err == nil || !strings.Contains(err.Error(), "certificate") || task.DispositionOf(err) != (task.Disposition{}) || len(s.all()) != 0 {
		t.Errorf("%v after %d requests", err, len(s.all()))
	}
}

func TestRequestOverHTTP2(t *testing.T) {
	s := serve(t, cutFirst(0, "done"))
	secure := s.serveTLS(t)
	service, err := newService(Config{Pool: "media", URL: secure.URL, Networks: []string{"127.0.0.1"}, Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	service.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	result, err := service.call(t.Context(), newTask("1"))
	if err != nil || string(result) != "done" || s.all()[0].ProtoMajor != 2 {
		t.Fatalf("%q, %v", result, err)
	}
	verify(t, s.all()[0])
}
