package address

import (
	"regexp"
	"strings"
	"unicode"
)

// hidden replaces the hidden parts.
const hidden = "xxxxx"

// Redact returns a list of URLs, separated by commas, without passwords, tokens, paths and queries.
// It works on text and not on URLs, because a password with a reserved character makes it another
// URL, or none. It hides everything before the last @, except a plain user name, and every text
// that does not begin with a scheme.
func Redact(list string) string {
	var shown []string
	for _, text := range pieces(list) {
		shown = append(shown, redact(text))
	}
	return strings.Join(shown, ",")
}

// Scheme returns the scheme of a URL, or "" if it does not begin with one.
func Scheme(text string) string {
	scheme, _, found := strings.Cut(strings.TrimSpace(text), "://")
	if !found || !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{0,15}$`).MatchString(scheme) {
		return ""
	}
	return scheme
}

// pieces splits a list at the commas that precede a URL; others belong to a password.
func pieces(list string) []string {
	var all []string
	for piece := range strings.SplitSeq(list, ",") {
		if n := len(all); n > 0 && Scheme(piece) == "" {
			all[n-1] += "," + piece
			continue
		}
		all = append(all, piece)
	}
	return all
}

// redact returns one URL without its secrets.
func redact(text string) string {
	scheme := Scheme(text)
	if scheme == "" {
		return "?"
	}
	_, rest, _ := strings.Cut(text, "://")
	user := ""
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, rest = userOf(rest[:at])+"@", rest[at+1:]
	}
	host := rest[:len(rest)-len(strings.TrimLeft(rest, hostBytes))]
	return scheme + "://" + user + host
}

// hostBytes are the bytes of hosts and ports.
const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%"

// userOf returns the visible part of user and password: the name, unless it may be a token.
func userOf(info string) string {
	name, password, _ := strings.Cut(info, ":")
	if !strings.ContainsFunc(password, unicode.IsLetter) && !strings.ContainsFunc(password, unicode.IsDigit) {
		return hidden // without a password, the name may be a token
	}
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(name) {
		return hidden
	}
	return name + ":" + hidden
}

// Scrub returns a foreign text, such as that of an error, without the passwords of the URLs in it.
func Scrub(text string) string {
	return regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"'<>]*@`).ReplaceAllString(text, "${1}"+hidden+"@")
}

// ScrubbedError is an error with a scrubbed text: see [Scrub].
type ScrubbedError struct {
	text string
	err  error
}

// ScrubError returns err with a scrubbed text; nil for nil. It calls Error once.
func ScrubError(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if clean := Scrub(text); clean != text {
		return &ScrubbedError{text: clean, err: err}
	}
	return err
}

// Error returns the text without passwords.
func (s *ScrubbedError) Error() string { return s.text }

// Unwrap returns the original error.
func (s *ScrubbedError) Unwrap() error { return s.err }
