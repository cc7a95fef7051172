package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// loginTime is how long a user may take at the provider.
const loginTime = 10 * time.Minute

// login is what the browser keeps, in a signed cookie, while the user is at the provider.
// No part contains a line break.
type login struct {
	state, nonce string
	verifier     string // of PKCE
	until        time.Time
	path         string // to return to
}

// seal returns the login with a signature. The key belongs to this process.
func (l *login) seal(key []byte) string {
	text := []byte(strings.Join([]string{l.state, l.nonce, l.verifier, strconv.FormatInt(l.until.Unix(), 10), l.path}, "\n"))
	return base64.RawURLEncoding.EncodeToString(append(sign(key, text), text...))
}

func sign(key, text []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	return mac.Sum(nil)
}

// openLogin returns the login of a cookie, nil if it was not made by this process or is too
// old.
func openLogin(key []byte, sealed string) *login {
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(text) < sha256.Size || !hmac.Equal(sign(key, text[sha256.Size:]), text[:sha256.Size]) {
		return nil
	}
	parts := strings.Split(string(text[sha256.Size:]), "\n")
	until, _ := strconv.ParseInt(parts[3], 10, 64)
	l := &login{state: parts[0], nonce: parts[1], verifier: parts[2], until: time.Unix(until, 0), path: parts[4]}
	if !time.Now().Before(l.until) {
		return nil
	}
	return l
}

// StartOIDC sends the browser to the provider. The parameter next of the request is the path
// of the console to return to. After an error, for the page to show, nothing was written.
func (g *Gate) StartOIDC(w http.ResponseWriter, r *http.Request) error {
	if g.oidc == nil {
		return ErrNoMethod
	}
	ctx, cancel := g.oidcContext(r)
	defer cancel()
	config, _, err := g.oidc.ask(ctx)
	if err != nil {
		return g.oidcFailed("the provider does not answer", err)
	}
	l := &login{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(),
		path: g.ReturnPath(r.URL.Query().Get("next")), until: time.Now().Add(loginTime)}
	g.cookies.set(w, r, loginCookie, l.seal(g.key), loginTime)
	http.Redirect(w, r, config.AuthCodeURL(l.state, oidc.Nonce(l.nonce), oauth2.S256ChallengeOption(l.verifier)), http.StatusSeeOther)
	return nil
}

// FinishOIDC takes the browser back from the provider, starts a session and sends the browser
// to the path that StartOIDC was given. After an error, for the page to show, no session was
// started and only cookies were set. The error is ErrNoRole if the user has no role.
func (g *Gate) FinishOIDC(w http.ResponseWriter, r *http.Request) error {
	if g.oidc == nil {
		return ErrNoMethod
	}
	l := openLogin(g.key, g.cookies.get(r, loginCookie))
	g.cookies.remove(w, r, loginCookie)
	u, err := g.answerOIDC(r, l)
	if err != nil {
		who := User{Method: MethodOIDC}
		if u != nil { // the provider knows the user, who has no role here
			who.Name = u.Name
		}
		if r.Context().Err() == nil {
			g.report(r, EventLoginFailed, who, err)
		}
		return err
	}
	g.begin(w, r, *u, "")
	g.report(r, EventLogin, *u, nil)
	http.Redirect(w, r, l.path, http.StatusSeeOther)
	return nil
}

// answerOIDC returns the user that the answer of the provider names.
func (g *Gate) answerOIDC(r *http.Request, l *login) (*User, error) {
	q := r.URL.Query()
	if l == nil || subtle.ConstantTimeCompare([]byte(l.state), []byte(q.Get("state"))) == 0 {
		return nil, errors.New("this login is over or was begun in another browser: log in again")
	}
	// RFC 9207: the answer of one provider is not used for another.
	if iss := q.Get("iss"); iss != "" && iss != g.oidc.Issuer {
		return nil, errors.New("the answer is of another provider")
	}
	if e := q.Get("error"); e != "" {
		return nil, fmt.Errorf("the provider refused the login: %s", terminal.Quoted(e+" "+q.Get("error_description")))
	}
	ctx, cancel := g.oidcContext(r)
	defer cancel()
	return g.finishOIDC(ctx, l, q.Get("code"))
}

func (g *Gate) finishOIDC(ctx context.Context, l *login, code string) (*User, error) {
	config, verifier, err := g.oidc.ask(ctx)
	if err != nil {
		return nil, g.oidcFailed("the provider does not answer", err)
	}
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(l.verifier))
	if err != nil {
		return nil, g.oidcFailed("the provider did not accept the login", err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return nil, g.oidcFailed("the provider did not say who the user is", errors.New("the answer has no id_token"))
	}
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, g.oidcFailed("the provider's answer is not valid", err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(l.nonce)) == 0 {
		return nil, g.oidcFailed("the provider's answer is not valid", errors.New("the nonce is another"))
	}
	u, err := g.oidc.user(token)
	if err != nil && !errors.Is(err, ErrNoRole) {
		return nil, g.oidcFailed("the provider's answer cannot be used", err)
	}
	return u, err
}

// oidcFailed logs the reason and returns an error without it: an answer of the provider may
// have parts of tokens.
func (g *Gate) oidcFailed(msg string, err error) error {
	g.options.Log.Error("login with OIDC: "+msg, "err", err)
	return errors.New(msg)
}

func (g *Gate) oidcContext(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(r.Context(), g.oidc.Client), oidcTimeout)
}
