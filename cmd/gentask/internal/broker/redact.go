package broker

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// hidden is in place of a password.
const hidden = "xxxxx"

// credentials match what is before the host in a URL.
var credentials = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)([^\s/@:]*)(:[^\s]*)?@`)

// least is the length of a password that is hidden wherever it stands. A shorter one would hide
// other words.
const least = 4

// Redact returns text without the passwords of the URLs in it, and without the password of the
// given URL.
func Redact(text, address string) string {
	for _, secret := range secrets(address) {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return credentials.ReplaceAllStringFunc(text, func(found string) string {
		parts := credentials.FindStringSubmatch(found)
		if parts[3] == "" && (strings.HasPrefix(parts[1], "nats") || strings.HasPrefix(parts[1], "tls")) {
			return parts[1] + hidden + "@" // a token
		}
		if parts[3] == "" {
			return found
		}
		return parts[1] + parts[2] + ":" + hidden + "@"
	})
}

// secrets returns the password of each server of an address, as it is written there and as it is.
func secrets(address string) []string {
	var all []string
	add := func(secret, user string) {
		if len(secret) >= least && secret != user {
			all = append(all, secret)
		}
	}
	for _, one := range credentials.FindAllStringSubmatch(address, -1) {
		user, password := one[2], strings.TrimPrefix(one[3], ":")
		add(password, user)
		if plain, err := url.PathUnescape(password); err == nil {
			add(plain, user)
		}
	}
	if u, err := url.Parse(address); err == nil {
		add(u.Query().Get("password"), "")
	}
	return all
}

// Scrub returns err with a text without the password of address.
func Scrub(err error, address string) error {
	if err == nil || Redact(err.Error(), address) == err.Error() {
		return err
	}
	return &scrubbed{text: Redact(err.Error(), address), err: err}
}

// scrubbed is an error whose text had a password.
type scrubbed struct {
	text string
	err  error
}

// Error returns the text without the password.
func (s *scrubbed) Error() string { return s.text }

// Is reports whether the error wraps target. There is no Unwrap, which would give the text away.
func (s *scrubbed) Is(target error) bool { return errors.Is(s.err, target) }

// As finds an error that it wraps.
func (s *scrubbed) As(target any) bool { return errors.As(s.err, target) }
