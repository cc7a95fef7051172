// Package mail sends messages about alerts by mail.
package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/egress"
	"github.com/ltsworker/ltsworker/task"
)

// The ways to encrypt a connection.
const (
	StartTLS = "starttls" // the connection is encrypted before anything is sent, or fails
	TLS      = "tls"      // the connection is encrypted from its beginning
	None     = "none"     // nothing is encrypted; it cannot be used with a password
)

// Config configures mail. Host, From and To are required.
type Config struct {
	// Host is the server, as HOST or HOST:PORT. The default port is 587, with TLS 465, with None 25.
	Host string
	From string   // an address such as alerts@example.com
	To   []string // addresses
	// User and Password log in. "" for a server that needs no login.
	User, Password string
	// Encryption is StartTLS, TLS or None. Default: StartTLS.
	Encryption string
	// Networks are networks that are not public and may be connected to, such as 10.1.0.0/16.
	Networks []string
}

// Mail sends each message as a mail to each address.
type Mail struct {
	c       Config
	host    string
	dialer  *net.Dialer
	options []gomail.Option

	mu    sync.Mutex
	id    string          // of the last message
	taken map[string]bool // the addresses to which it was sent
}

const timeout = 12 * time.Second

// New returns a channel for mail. The error joins FieldErrors.
func New(c Config) (*Mail, error) {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	c.Encryption = cmp.Or(c.Encryption, StartTLS)
	host, portText, err := net.SplitHostPort(c.Host)
	if err != nil {
		host, portText = c.Host, map[string]string{TLS: "465", None: "25"}[c.Encryption]
	}
	port, err := strconv.Atoi(cmp.Or(portText, "587"))
	if host == "" || strings.ContainsAny(host, " /@") || err != nil || port < 1 || port > 65535 {
		add("host", "must be a server such as smtp.example.com or smtp.example.com:587, not %q", c.Host)
	}
	switch c.Encryption {
	case StartTLS, TLS:
	case None:
		if c.Password != "" {
			add("tls", "must not be none with a password: the password would be sent in clear text")
		}
	default:
		add("tls", "must be starttls, tls or none, not %q", c.Encryption)
	}
	if (c.User == "") != (c.Password == "") {
		add("user", "and password must be given together")
	}
	if err := gomail.NewMsg().From(c.From); err != nil {
		add("from", "must be an address such as alerts@example.com, not %q", c.From)
	}
	if len(c.To) == 0 {
		add("to", "must have at least one address, such as [oncall@example.com]")
	}
	for _, to := range c.To {
		if err := gomail.NewMsg().To(to); err != nil {
			add("to", "must have addresses such as oncall@example.com, not %q", to)
		}
	}
	networks, err := egress.ParseNetworks("networks", c.Networks)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	m := &Mail{c: c, host: host, dialer: egress.NewDialer(egress.Options{Networks: networks})}
	m.options = []gomail.Option{gomail.WithTimeout(timeout)}
	switch c.Encryption {
	case TLS:
		m.options = append(m.options, gomail.WithSSL())
	case None:
		m.options = append(m.options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		config := roots()
		config.ServerName = host
		m.options = append(m.options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithTLSConfig(config))
	}
	m.options = append(m.options, gomail.WithPort(port))
	if c.User != "" {
		m.options = append(m.options, gomail.WithUsername(c.User), gomail.WithPassword(c.Password))
		if c.Encryption == TLS { // the library cannot see that the dialer has encrypted the connection
			m.options = append(m.options, gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
		} else {
			m.options = append(m.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover))
		}
	}
	return m, nil
}

// dial returns the function that connects. The end of ctx closes the connection: the library has a
// timeout for each step, and none for all of them. With Encryption TLS the function starts TLS itself,
// because the library does not for a custom dialer.
func (m *Mail) dial(ctx context.Context) gomail.DialContextFunc {
	return func(connecting context.Context, network, address string) (net.Conn, error) {
		conn, err := m.dialer.DialContext(connecting, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		if m.c.Encryption != TLS {
			return conn, nil
		}
		return m.encrypt(connecting, conn)
	}
}

// Kind returns "mail".
func (*Mail) Kind() string { return "mail" }

// Pace is five mails at once, then one in 20 seconds.
func (*Mail) Pace() alert.Pace { return alert.Pace{Burst: 5, Every: 20 * time.Second} }

// maxText bounds the text of a mail, in bytes.
const maxText = 100_000

// Send sends a mail of its own to each address, so that an address that the server refuses does not
// affect the others. When it is called again with the same message, it leaves out the addresses whose
// mails the server has accepted.
func (m *Mail) Send(ctx context.Context, message *alert.Message) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.id != message.ID {
		m.id, m.taken = message.ID, map[string]bool{}
	}
	var to []string
	var mails []*gomail.Msg
	for _, address := range m.c.To {
		if m.taken[address] {
			continue
		}
		mail, err := m.compose(message, address)
		if err != nil {
			return "", err
		}
		to, mails = append(to, address), append(mails, mail)
	}
	until, end := context.WithCancel(ctx)
	defer end()
	c, err := gomail.NewClient(m.host, append(slices.Clone(m.options), gomail.WithDialContextFunc(m.dial(until)))...)
	if err != nil {
		return "", err
	}
	failed := c.DialAndSendWithContext(ctx, mails...)
	var refused, again []string // addresses
	tooLarge := false
	for i, mail := range mails {
		switch err := mail.SendError(); {
		case mail.IsDelivered():
			m.taken[to[i]] = true
		case code(err) >= 500:
			refused = append(refused, to[i])
			tooLarge = tooLarge || code(err) == 552
		default:
			again = append(again, to[i])
		}
	}
	text := ""
	if failed != nil {
		text = failed.Error()
		if ctx.Err() != nil {
			text = ctx.Err().Error() + ": " + text
		}
		if m.c.Password != "" {
			text = strings.ReplaceAll(text, m.c.Password, "***")
		}
	}
	if len(again) > 0 || len(m.taken) == 0 {
		return "", &alert.SendError{Err: errors.New(text), Refused: tooLarge && len(again) == 0}
	}
	answer := "sent to " + strings.Join(slices.Sorted(maps.Keys(m.taken)), ", ")
	if len(refused) > 0 {
		answer += "; the server refuses " + strings.Join(refused, ", ") + ": " + text
	}
	return answer, nil
}

// code returns the status of a permanent error of the server; 0 for any other error.
func code(err error) int {
	if e := (*gomail.SendError)(nil); errors.As(err, &e) && !e.IsTemp() {
		return e.ErrorCode()
	}
	return 0
}

// compose returns the mail for one address.
func (m *Mail) compose(message *alert.Message, to string) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := errors.Join(msg.From(m.c.From), msg.To(to)); err != nil {
		return nil, err
	}
	msg.Subject(message.Title(message.Lang))
	// The same when the mail is sent again, so that mail programs show it once.
	domain := m.c.From[strings.LastIndexByte(m.c.From, '@')+1:]
	msg.SetMessageIDWithValue(message.ID + "@" + strings.Trim(domain, "<> "))
	msg.SetDateWithValue(message.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	text := strings.Join(message.Lines(message.Lang, maxText, func(l alert.Line) string { return l.Text }), "\n\n") + "\n"
	if message.Console != "" {
		text += "\n" + message.Console + "\n"
	}
	msg.SetBodyString(gomail.TypeTextPlain, text)
	return msg, nil
}
