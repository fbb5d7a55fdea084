package dashboard

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"strings"
)

const (
	// cookieName is the cookie that holds the token, and fieldName the field of forms with the
	// same.
	cookieName = "gentask-dashboard"
	fieldName  = "token"

	// tokenLength is that of rand.Text.
	tokenLength = 26
)

// token returns the token of the browser that has sent r. A browser without one gets one.
//
// The cookie has no path, so that browsers limit it to the place where they see the dashboard. It
// has no secret of this process either: any instance of the program accepts a form of another one.
func token(w http.ResponseWriter, r *http.Request) string {
	if t := sentToken(r); t != "" {
		return t
	}
	t := rand.Text()
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: t, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	})
	return t
}

// sentToken returns the token in the cookie of r; empty if it has none that was made here.
func sentToken(r *http.Request) string {
	cookie, err := r.Cookie(cookieName)
	if err != nil || len(cookie.Value) != tokenLength {
		return ""
	}
	return cookie.Value
}

// forged returns why a POST may come from another site; empty if it comes from a page of the
// dashboard. Both the origin and the token must be right.
func forged(r *http.Request) string {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return "The form was sent by a page of another site."
	}
	sent := sentToken(r)
	if sent == "" {
		return "The browser has sent no cookie of this page. Allow cookies for it, and load the page again."
	}
	if subtle.ConstantTimeCompare([]byte(sent), []byte(r.PostFormValue(fieldName))) != 1 {
		return "The form is from an earlier visit. Go back, load the page again, and repeat the action."
	}
	return ""
}
