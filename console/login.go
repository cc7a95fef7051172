package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
)

type loginPage struct {
	Error   string
	Back    string
	Methods access.Methods
}

// toLogin answers a request without a known user. It redirects a request for a page to the
// login form, which leads back to the page. It refuses other requests; that of a form gets the login form,
// because the session has ended since the page was opened.
func (q *request) toLogin() error {
	if q.Method == http.MethodGet && q.Header.Get("HX-Request") == "" && !strings.HasSuffix(q.URL.Path, "/live") {
		http.Redirect(q.w, q.Request, q.Root("/login")+"?next="+url.QueryEscape(q.Here()), http.StatusSeeOther)
		return nil
	}
	if q.Header.Get("HX-Request") == "" && q.Method == http.MethodPost {
		page := loginPage{Error: q.T("login.ended"), Back: q.PostFormValue("back"), Methods: q.c.opts.Gate.Methods()}
		if from, err := url.Parse(q.Referer()); page.Back == "" && err == nil {
			page.Back = from.RequestURI()
		}
		return q.renderStatus(http.StatusUnauthorized, "login", time.Time{}, page)
	}
	return &problem{http.StatusUnauthorized, "error.login", nil}
}

func (q *request) loginPage() error { return q.showLogin(http.StatusOK, nil) }

func (q *request) showLogin(status int, err error) error {
	page := loginPage{Back: q.FormValue("next"), Methods: q.c.opts.Gate.Methods()}
	if err != nil {
		page.Error = q.loginError(err)
	}
	return q.renderStatus(status, "login", time.Time{}, page)
}

// loginError says why a login failed.
func (q *request) loginError(err error) string {
	var many *access.TooManyError
	switch {
	case errors.As(err, &many):
		return q.T("login.too_many", q.Duration(many.RetryAfter))
	case errors.Is(err, access.ErrCredentials):
		return q.T("login.wrong")
	case errors.Is(err, access.ErrBusy):
		return q.T("login.busy")
	case errors.Is(err, access.ErrNoRole):
		return q.T("error.no_pools")
	}
	return err.Error()
}

func (q *request) login() error {
	if err := q.c.opts.Gate.Login(q.w, q.Request, q.PostFormValue("name"), q.PostFormValue("password")); err != nil {
		return q.showLogin(http.StatusUnauthorized, err)
	}
	http.Redirect(q.w, q.Request, q.c.opts.Gate.ReturnPath(q.PostFormValue("next")), http.StatusSeeOther)
	return nil
}

func (q *request) startOIDC() error {
	if err := q.c.opts.Gate.StartOIDC(q.w, q.Request); err != nil {
		return q.showLogin(http.StatusBadGateway, err)
	}
	return nil
}

func (q *request) finishOIDC() error {
	if err := q.c.opts.Gate.FinishOIDC(q.w, q.Request); err != nil {
		return q.showLogin(http.StatusUnauthorized, err)
	}
	return nil
}

type passwordPage struct{ Error string }

// passwordPage lets a user who has logged in with a password change it.
func (q *request) passwordPage() error {
	return q.render("password", time.Time{}, passwordPage{})
}

func (q *request) changePassword() error {
	err := q.c.opts.Gate.ChangePassword(q.w, q.Request, q.PostFormValue("old"), q.PostFormValue("password"))
	if err != nil {
		return q.renderStatus(http.StatusBadRequest, "password", time.Time{}, passwordPage{q.loginError(err)})
	}
	http.Redirect(q.w, q.Request, q.Root("/"), http.StatusSeeOther)
	return nil
}

func (q *request) logout() error {
	q.c.opts.Gate.Logout(q.w, q.Request)
	http.Redirect(q.w, q.Request, q.Root("/login"), http.StatusSeeOther)
	return nil
}
