package mail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/ltsworker/ltsworker/alert"
)

// mailbox is a server of SMTP that keeps what it gets.
type mailbox struct {
	mu      sync.Mutex
	mails   []string
	to      []string
	refuse  error
	unknown string // an address that is refused
}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{b: b}, nil }

type session struct {
	b      *mailbox
	logged bool
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "bot" || password != "pa55word" {
			return smtp.ErrAuthFailed
		}
		s.logged = true
		return nil
	}), nil
}
func (s *session) Mail(string, *smtp.MailOptions) error {
	if !s.logged {
		return smtp.ErrAuthRequired
	}
	return s.b.refuse
}
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if to == s.b.unknown {
		return &smtp.SMTPError{Code: 550, Message: "no such user"}
	}
	s.b.to = append(s.b.to, to)
	return nil
}
func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.mails = append(s.b.mails, string(text))
	return err
}
func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// serve starts a server. Its certificate is the one of the tests of net/http, which programs of this
// test trust.
func serve(t *testing.T, b *mailbox, encryption string) (address string) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	t.Cleanup(web.Close)
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	before := roots
	roots = func() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool} }
	t.Cleanup(func() { roots = before })
	s := smtp.NewServer(b)
	s.Domain, s.ReadTimeout = "localhost", 10*time.Second
	config := &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	switch encryption {
	case StartTLS:
		s.TLSConfig = config
	case TLS:
		l = tls.NewListener(l, config)
	default:
		s.AllowInsecureAuth = true
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return address
}

func config(address, encryption string) Config {
	return Config{Host: address, From: "Alerts <alerts@example.com>", To: []string{"a@example.com", "b@example.com"}, User: "bot", Password: "pa55word", Encryption: encryption, Networks: []string{"127.0.0.1"}}
}

func message() *alert.Message {
	return &alert.Message{ID: "alert_abc", Pool: "media", At: time.Now(), Lang: alert.English, Console: "https://tasks.example/alerts",
		Notices: []alert.Notice{{State: alert.StateFiring, Rule: "oldest-wait", Severity: alert.Critical, When: alert.OldestWait, Value: 1200, Threshold: 900, Labels: map[string]string{"queue": "video"}, Since: time.Now()}}}
}

func TestMailIsSentEncryptedAndWithLogin(t *testing.T) {
	for _, encryption := range []string{StartTLS, TLS} {
		b := &mailbox{}
		m, err := New(config(serve(t, b, encryption), encryption))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			message := message()
			message.ID = []string{"alert_abc", "alert_abd"}[i]
			if answer, err := m.Send(t.Context(), message); err != nil || !strings.Contains(answer, "b@example.com") {
				t.Fatalf("%s: %q, %v", encryption, answer, err)
			}
		}
		if len(b.mails) != 4 || len(b.to) != 4 {
			t.Fatalf("%d mails to %v", len(b.mails), b.to)
		}
		for _, text := range b.mails {
			for _, want := range []string{"@example.com>", "Message-ID: <alert_ab", "Auto-Submitted: auto-generated", "https://tasks.example/alerts", "oldest-wait", "20 min"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
		}
	}
}

// A refused address keeps a message from no other one, and a mail that was taken is not sent again.
func TestRefusedAddressKeepsTheMailFromNoOther(t *testing.T) {
	b := &mailbox{unknown: "a@example.com"}
	m, err := New(config(serve(t, b, StartTLS), StartTLS))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := m.Send(t.Context(), message())
	if err != nil || len(b.mails) != 1 || !strings.Contains(answer, "sent to b@example.com") || !strings.Contains(answer, "refuses a@example.com") {
		t.Errorf("%q, %v, %d mails", answer, err, len(b.mails))
	}
}

// A server without STARTTLS gets neither the password nor a mail.
func TestMailIsNotSentInClearText(t *testing.T) {
	b := &mailbox{}
	m, err := New(config(serve(t, b, None), StartTLS))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Send(t.Context(), message()); err == nil || len(b.mails) > 0 {
		t.Errorf("%v, %d mails", err, len(b.mails))
	}
}

func TestRefusalOfAServerIsToldFromAFault(t *testing.T) {
	for code, refused := range map[int]bool{451: false, 550: false, 552: true} {
		b := &mailbox{refuse: &smtp.SMTPError{Code: code, Message: "no"}}
		m, err := New(config(serve(t, b, StartTLS), StartTLS))
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Send(t.Context(), message())
		if e := (*alert.SendError)(nil); !errors.As(err, &e) || e.Refused != refused {
			t.Errorf("%d: %v", code, err)
		}
	}
	c := config(serve(t, &mailbox{}, StartTLS), StartTLS)
	c.Password = "wr0ng-password"
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Send(t.Context(), message()); err == nil || strings.Contains(err.Error(), c.Password) {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestMistakesOfMailNameTheirFields(t *testing.T) {
	_, err := New(Config{Host: "a b", From: "x", User: "u", Encryption: "ssl", Networks: []string{"lan"}})
	for _, want := range []string{"host must", "from must", "to must", "user and password", "tls must", "networks[0] must"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	c := config("h", None)
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "tls must not be none with a password") {
		t.Error(err)
	}
}
